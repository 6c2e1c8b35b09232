import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Pool } from 'pg';
import { groupReads } from '../../src/database/group-reads.ts';
import { isOnPostgresql, makeDatabase } from '../helper.ts';

const skip = !isOnPostgresql && 'this run is on SQLite';

async function open(t: TestContext, max: number) {
  const pool = new Pool({ connectionString: (await makeDatabase(t)).DATABASE_URL, max, pipeline: true });
  t.after(() => pool.end());
  pool.on('error', () => {});
  return { pool, ...groupReads(pool) };
}

const pid = { name: 'pid', text: 'SELECT pg_backend_pid() AS pid, $1::int AS n' };

test('reads of one turn share connections, and each has its own answer', { skip }, async (t) => {
  const { ask, pool } = await open(t, 10);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask({ ...pid, values: [n] })));
  assert.deepEqual(
    answers.map(({ rows }) => rows[0]?.n),
    Array.from({ length: 20 }, (_, n) => n),
  );
  assert.equal(new Set(answers.map(({ rows }) => rows[0]?.pid)).size, 3);
  assert.equal(pool.totalCount, 3);
});

test('what waits for a connection goes with the next, and is counted', { skip }, async (t) => {
  const { ask, waiting, pool } = await open(t, 1);
  const client = await pool.connect();
  const answers: Promise<{ rows: { n: number }[] }>[] = [];
  for (let n = 0; n < 12; n++) {
    answers.push(ask<{ n: number }>({ ...pid, values: [n] }));
    await new Promise(setImmediate);
  }
  assert.equal(waiting() + pool.waitingCount, 12);
  client.release();
  assert.deepEqual(
    (await Promise.all(answers)).map(({ rows }) => rows[0]?.n),
    Array.from({ length: 12 }, (_, n) => n),
  );
  assert.equal(waiting() + pool.waitingCount, 0);
});

test('the one that fails fails alone', { skip }, async (t) => {
  const { ask } = await open(t, 10);
  const numbers = [2, 1, 0, 3];
  const divided = await Promise.allSettled(
    numbers.map((n) => ask({ name: 'divide', text: 'SELECT 6 / $1::int AS n', values: [n] })),
  );
  assert.deepEqual(
    divided.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.rows[0]?.n : outcome.reason.code)),
    [3, 6, '22012', 2],
  );
});

test('where a connection breaks, or none can be had, all that are on it fail, and the next do not', {
  skip,
}, async (t) => {
  const { ask, pool } = await open(t, 1);
  const fatal = { text: 'SELECT pg_terminate_backend(pg_backend_pid())' };
  const broken = await Promise.allSettled([ask({ ...pid, values: [1] }), ask(fatal), ask({ ...pid, values: [2] })]);
  assert.deepEqual(
    broken.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
  assert.equal((await ask({ ...pid, values: [3] })).rows[0]?.n, 3);

  const client = await pool.connect();
  pool.options.connectionTimeoutMillis = 50;
  const waited = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => ask({ ...pid, values: [n] })));
  for (const outcome of waited) assert.match(String((outcome as PromiseRejectedResult).reason), /timeout exceeded/);
  client.release();
  assert.equal((await ask({ ...pid, values: [4] })).rows[0]?.n, 4);
});
