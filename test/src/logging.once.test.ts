import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { loggerOptions } from '../../src/logging.ts';
import { empty, fill, makeDisk, whyNoDisk } from '../durability.ts';

test('an error is logged with its causes, and without what a driver adds to it', () => {
  const lines: string[] = [];
  const { stream: _, ...options } = loggerOptions('info');
  const log = pino(options, { write: (line) => void lines.push(line) });
  const row = { detail: 'Failing row contains (1, paul, $argon2id$v=19$…)' };
  const cause = Object.assign(new Error('new row violates check constraint'), row);
  const meta = { driverAdapterError: { cause: row } };
  log.error({ err: Object.assign(new Error('the query failed', { cause }), { code: 'P2010', meta }) }, 'failed');
  const [line = ''] = lines;
  const { err } = JSON.parse(line);
  assert.deepEqual(Object.keys(err), ['type', 'code', 'message', 'stack']);
  assert.deepEqual([err.type, err.code], ['Error', 'P2010']);
  assert.match(err.message, /the query failed.*new row violates/);
  assert.match(err.stack, /logging\.once\.test/);
  assert.ok(!line.includes('argon2id'));
});

test('a full disk under the log ends nothing, and the log goes on with the space', { skip: whyNoDisk() }, async (t) => {
  const place = makeDisk(t, 4 * 2 ** 20);
  const file = join(place, 'service.log');
  const source = `
    import { pino } from 'pino';
    import { loggerOptions } from '${new URL('../../src/logging.js', import.meta.url)}';
    const { stream, ...options } = loggerOptions('info');
    const log = pino(options, stream);
    for (let i = 0; i < 20_000; i++) log.info({ i }, 'while it is full');
    log.fatal('flushed');
    process.on('message', () => {
      for (let i = 0; i < 10; i++) log.info({ i }, 'after');
      process.disconnect();
    });
    process.send('full');`;
  const descriptor = openSync(file, 'w');
  const stdio = ['ignore', descriptor, 'inherit', 'ipc'] as const;
  fill(place, 65_536);
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: [...stdio],
    env: { ...process.env, NODE_V8_COVERAGE: '' },
  });
  t.after(() => child.kill('SIGKILL'));
  closeSync(descriptor);
  const exit = once(child, 'exit');
  assert.deepEqual((await Promise.race([once(child, 'message'), exit]))[0], 'full');
  empty(place);
  child.send('freed');
  assert.deepEqual(await exit, [0, null]);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const read = lines.map((line) => JSON.parse(line));
  assert.ok(read.filter(({ msg }) => msg === 'while it is full').length > 1000, 'what was held back is written');
  assert.equal(read.at(-1).msg, 'after');
  assert.equal(read.at(-1).i, 9);
});
