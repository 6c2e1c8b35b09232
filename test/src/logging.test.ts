import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { loggerOptions } from '../../src/logging.ts';

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
  assert.match(err.stack, /logging\.test/);
  assert.ok(!line.includes('argon2id'));
});
