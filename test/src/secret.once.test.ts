import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs, { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { readOrCreateSecret, secretKeyOf } from '../../src/secret.ts';
import { SECRET_KEY, temporaryDirectory } from '../helper.ts';
import { outcome } from './helper.ts';

test('the configured secret is used as it stands, and no file is made', (t) => {
  const directory = temporaryDirectory(t);
  const config = loadConfig({ DATABASE_URL: `file:${directory}/todo.db`, SECRET_KEY }, directory);
  assert.equal(secretKeyOf(config), SECRET_KEY);
  assert.deepEqual(readdirSync(directory), []);
});

test('without one, a secret is kept beside the database, for its owner alone', (t) => {
  const directory = temporaryDirectory(t);
  const config = loadConfig({ DATABASE_URL: `file:${directory}/data/todo.db` }, directory);
  const secret = secretKeyOf(config);
  assert.match(secret, /^[\w-]{64}$/);
  assert.deepEqual(readdirSync(join(directory, 'data')), ['secret.key']);
  assert.equal(statSync(join(directory, 'data')).mode & 0o777, 0o700);
  assert.equal(statSync(join(directory, 'data/secret.key')).mode & 0o777, 0o600);
  assert.equal(secretKeyOf(config), secret);
});

test('every file gets a secret of its own', (t) => {
  const secrets = [0, 1].map(() => readOrCreateSecret(join(temporaryDirectory(t), 'secret.key')));
  assert.notEqual(secrets[0], secrets[1]);
});

test('processes that make it at once get the same', async (t) => {
  const path = join(temporaryDirectory(t), 'secret.key');
  const module = new URL('../../src/secret.js', import.meta.url).href;
  const code = `const { readOrCreateSecret } = await import(${JSON.stringify(module)});
    console.log(readOrCreateSecret(${JSON.stringify(path)}));`;
  const outcomes = await Promise.all(
    [0, 1, 2, 3].map(() => outcome(spawn(process.execPath, ['--input-type=module', '--eval', code]))),
  );
  const secret = readFileSync(path, 'utf8');
  for (const result of outcomes) assert.deepEqual(result, { code: 0, stdout: secret, stderr: '' });
  assert.deepEqual(readdirSync(join(path, '..')), ['secret.key']);
});

test('one that another process makes in the same moment is taken', (t) => {
  const path = join(temporaryDirectory(t), 'secret.key');
  const link = fs.linkSync;
  const { mock } = t.mock.method(fs, 'linkSync', (from: string, to: string) => {
    writeFileSync(path, SECRET_KEY);
    link(from, to);
  });
  syncBuiltinESMExports();
  t.after(() => {
    mock.restore();
    syncBuiltinESMExports();
  });
  assert.equal(readOrCreateSecret(path), SECRET_KEY);
  assert.deepEqual(readdirSync(join(path, '..')), ['secret.key']);
});

test('a secret that was put there is taken without the white space around it', (t) => {
  const path = join(temporaryDirectory(t), 'secret.key');
  writeFileSync(path, `${SECRET_KEY}\r\n`);
  assert.equal(readOrCreateSecret(path), SECRET_KEY);
});

test('a file of less than 32 bytes is refused, and neither shown nor changed', (t) => {
  for (const content of ['', '\n', 'hunter2', ` ${'x'.repeat(31)} \n`]) {
    const path = join(temporaryDirectory(t), 'secret.key');
    writeFileSync(path, content);
    const message = `SECRET_KEY in ${path} must have 32 bytes or more`;
    assert.throws(() => readOrCreateSecret(path), new ConfigError(message));
    assert.equal(readFileSync(path, 'utf8'), content);
  }
});

test('a directory that cannot be made is named', (t) => {
  const path = join(temporaryDirectory(t), 'no/such/secret.key');
  assert.throws(() => readOrCreateSecret(path), { code: 'ENOENT' });
});
