import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { print, type Shell } from '../console.ts';
import { thumbprintOf } from '../jwt-keys.ts';

const KEY_PAIRS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 3072 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

interface Options {
  algorithm?: keyof typeof KEY_PAIRS;
  out?: string;
}

export function generateKey(program: Command, shell: Shell) {
  program
    .command('generatekey')
    .description('print a new secret for SECRET_KEY, or by --algorithm a private key for JWT_KEY_FILES')
    .addOption(new Option('--algorithm <name>', 'what the private key is for').choices(Object.keys(KEY_PAIRS)))
    .option('--out <file>', 'write it to a new file that only its owner can read')
    .action(({ algorithm, out }: Options) => {
      const { name, text } = algorithm ? makePrivateKey(algorithm) : makeSecret();
      if (out !== undefined) {
        writeFileSync(out, text, { mode: 0o600, flag: 'wx', flush: true });
        print(shell, `${name} written to ${out}`);
        return;
      }
      shell.stdout.write(text);
      // Not among what is printed, which may go to a file.
      if (algorithm) shell.stderr.write(`${name}\n`);
    });
}

function makeSecret() {
  return { name: 'Secret', text: `${randomBytes(48).toString('base64url')}\n` };
}

function makePrivateKey(algorithm: keyof typeof KEY_PAIRS) {
  const { privateKey, publicKey } = KEY_PAIRS[algorithm]();
  const text = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { name: `${algorithm} key ${thumbprintOf(publicKey)}`, text };
}
