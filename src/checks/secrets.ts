import type { Config } from '../config.ts';
import { readSecretFile } from './files.ts';
import { type Check, error, type Finding, warning } from './finding.ts';

/** How well the secrets withstand guessing. */
export const SECRET_CHECKS: Check[] = [
  async function* secretKey(config: Config): AsyncGenerator<Finding> {
    const weakness = await findWeakness(config.SECRET_KEY ?? readSecretFile(config));
    if (!weakness) return;
    yield error(
      'SECRET_KEY',
      `It can be guessed, as it ${weakness}; whoever does so logs in as anyone.`,
      'Set one that is made at random, as by: npx todo-api generatekey. Do not keep this one as a fallback.',
    );
  },

  async function* secretKeyFallbacks({ SECRET_KEY_FALLBACKS: secrets }: Config): AsyncGenerator<Finding> {
    for (const [index, secret] of secrets.entries()) {
      const weakness = await findWeakness(secret);
      if (!weakness) continue;
      yield error(
        'SECRET_KEY_FALLBACKS',
        `Number ${index + 1} can be guessed, as it ${weakness}; whoever does so logs in as anyone.`,
        'Take it out; whoever it logged in has to log in again.',
      );
    }
  },

  function* rotation({ SECRET_KEY_FALLBACKS: secrets, JWT_REFRESH_TTL: seconds }: Config): Generator<Finding> {
    if (secrets.length === 0) return;
    yield warning(
      'SECRET_KEY_FALLBACKS',
      'What a former key signs is still taken, whoever has that key.',
      `Take it out JWT_REFRESH_TTL (${seconds} s) after the change, when its JWTs have expired; at once where it got out. An API token that it derived stays good until its user asks for it again and gets another.`,
    );
  },
];

// Far under what is made at random, be it of decimal digits alone, and far over what anyone can try.
const MIN_BITS = 80;

// What stands in examples and in keys that were typed, and hardly ever comes about at random.
const TELLING =
  /secret|passw|change.?(me|this|it)|insecure|example|placeholder|default|dummy|sample|replace|your.?key|todo.?api|\btests?\b/i;

/** Why a secret can be guessed; undefined where nothing speaks for it. */
async function findWeakness(secret = ''): Promise<string | undefined> {
  if (secret === '') return undefined;
  if (Buffer.byteLength(secret) < 32) return 'has less than 32 bytes';
  if (TELLING.test(secret)) return 'holds words as they stand in examples';
  const characters = [...secret];
  if (characters.length * Math.log2(new Set(characters).size) < MIN_BITS) return 'has few distinct characters';
  // Loaded on use, for its dictionaries. The more characters the longer it takes, and the first do for most.
  const { estimateBits } = await import('./guesses.ts');
  const isStrong = [32, 64].some((length) => estimateBits(characters.slice(0, length).join('')) >= MIN_BITS);
  return isStrong ? undefined : 'is made of words and patterns';
}
