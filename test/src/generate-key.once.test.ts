import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { loadJwtKeys, thumbprintOf } from '../../src/jwt-keys.ts';
import { configure, SECRET_KEY, temporaryDirectory } from '../helper.ts';
import { call } from './helper.ts';

const KINDS: [algorithm: string, type: string, details: object][] = [
  ['RS256', 'rsa', { modulusLength: 3072, publicExponent: 65537n }],
  ['ES256', 'ec', { namedCurve: 'prime256v1' }],
  ['EdDSA', 'ed25519', {}],
];

suite('generatekey', () => {
  test('prints a new secret each time, fit for SECRET_KEY', async (t) => {
    const options = { directory: temporaryDirectory(t) };
    const outcomes = [await call(['generatekey'], options), await call(['generatekey'], options)];
    for (const { code, stdout, stderr } of outcomes) {
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^[\w-]{64}\n$/);
      assert.equal(configure({ SECRET_KEY: stdout.trim() }).SECRET_KEY, stdout.trim());
    }
    assert.notEqual(outcomes[0]?.stdout, outcomes[1]?.stdout);
    assert.deepEqual(readdirSync(options.directory), []);
  });

  for (const [algorithm, type, details] of KINDS) {
    test(`prints a private key for ${algorithm}`, async (t) => {
      const options = { directory: temporaryDirectory(t) };
      const { code, stdout, stderr } = await call(['generatekey', '--algorithm', algorithm], options);
      const key = createPrivateKey(stdout);
      assert.deepEqual([code, stderr], [0, `${algorithm} key ${thumbprintOf(createPublicKey(key))}\n`]);
      assert.match(stdout, /^-----BEGIN PRIVATE KEY-----\n[^-]+\n-----END PRIVATE KEY-----\n$/);
      assert.deepEqual([key.asymmetricKeyType, key.asymmetricKeyDetails], [type, details]);
      assert.deepEqual(readdirSync(options.directory), []);
    });

    test(`writes a private key for ${algorithm} that its owner alone can read, and the service can use`, async (t) => {
      const directory = temporaryDirectory(t);
      const args = ['generatekey', '--algorithm', algorithm, '--out', 'key.pem'];
      const { code, stdout, stderr } = await call(args, { directory });
      const path = join(directory, 'key.pem');
      assert.equal(statSync(path).mode & 0o777, 0o600);
      const [key] = loadJwtKeys({ ...configure({ JWT_KEY_FILES: path }), SECRET_KEY });
      assert.equal(key.algorithm, algorithm);
      assert.deepEqual([code, stdout, stderr], [0, `${algorithm} key ${key.jwk?.kid} written to key.pem\n`, '']);
    });
  }

  test('writes a secret to a file', async (t) => {
    const directory = temporaryDirectory(t);
    const outcome = await call(['generatekey', '--out', 'secret'], { directory });
    assert.deepEqual(outcome, { code: 0, stdout: 'Secret written to secret\n', stderr: '' });
    assert.match(readFileSync(join(directory, 'secret'), 'utf8'), /^[\w-]{64}\n$/);
    assert.equal(statSync(join(directory, 'secret')).mode & 0o777, 0o600);
  });

  test('leaves a file that is there as it is', async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'key.pem'), 'precious', { mode: 0o644 });
    symlinkSync('nowhere', join(directory, 'link.pem'));
    for (const name of ['key.pem', 'link.pem']) {
      const { code, stdout, stderr } = await call(['generatekey', '--algorithm', 'EdDSA', '--out', name], {
        directory,
      });
      assert.deepEqual([code, stdout], [1, '']);
      assert.equal(stderr, `todo-api: EEXIST: file already exists, open '${name}'\n`);
    }
    assert.equal(readFileSync(join(directory, 'key.pem'), 'utf8'), 'precious');
    assert.deepEqual(readdirSync(directory).sort(), ['key.pem', 'link.pem']);
  });

  test('refuses what it does not know', async (t) => {
    const options = { directory: temporaryDirectory(t) };
    for (const algorithm of ['HS256', 'rs256', 'none', '']) {
      const { code, stdout, stderr } = await call(['generatekey', '--algorithm', algorithm], options);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /Allowed choices are RS256, ES256, EdDSA\./);
    }
    const { code, stderr } = await call(['generatekey', '--out', 'nowhere/key.pem'], options);
    assert.equal(code, 1);
    assert.match(stderr, /^todo-api: ENOENT: no such file or directory, open 'nowhere\/key\.pem'\n$/);
  });
});
