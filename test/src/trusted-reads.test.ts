import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as callback } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { trustReads } from '../../src/database/trusted-reads.ts';
import { temporaryDirectory } from '../helper.ts';

function setUp(t: Parameters<typeof temporaryDirectory>[0]) {
  const path = join(temporaryDirectory(t), 'a.db');
  const [own, other] = [new Sqlite(path), new Sqlite(path)] as const;
  t.after(() => own.close() && other.close());
  own.exec('PRAGMA journal_mode = WAL; CREATE TABLE counter (n); INSERT INTO counter VALUES (0)');
  const { read, forget } = trustReads(own);
  let finds = 0;
  const count = (size?: () => number) =>
    read(
      'n',
      () => {
        finds++;
        return own.prepare<[], number>('SELECT n FROM counter').pluck().get();
      },
      size,
    );
  return { own, other, forget, count, finds: () => finds };
}

test('what was read is repeated while nobody commits', (t) => {
  const { count, finds } = setUp(t);
  assert.deepEqual([count(), count(), count()], [0, 0, 0]);
  assert.equal(finds(), 1);
});

test('a commit of another connection is seen by the next callback, a rollback changes nothing', async (t) => {
  const { other, count, finds } = setUp(t);
  for (let n = 1; n <= 100; n++) {
    other.exec('UPDATE counter SET n = n + 1');
    await callback();
    assert.deepEqual([count(), count()], [n, n]);
  }
  other.exec('BEGIN; UPDATE counter SET n = -1');
  await callback();
  assert.equal(count(), 100);
  other.exec('ROLLBACK');
  await callback();
  assert.equal(count(), 100);
  assert.equal(finds(), 100);
});

test('a commit of its own connection is seen when it says so', (t) => {
  const { own, forget, count } = setUp(t);
  assert.equal(count(), 0);
  own.exec('UPDATE counter SET n = 7');
  forget();
  assert.equal(count(), 7);
});

test('no more is kept than fits', (t) => {
  const { count, finds } = setUp(t);
  for (let i = 0; i < 3; i++) count(() => 17_000_000);
  assert.equal(finds(), 1, 'one value that is too large is kept, in place of all others');
});

test('each callback asks anew, those of one phase of the event loop too', async (t) => {
  const { other, count } = setUp(t);
  const inCallback = (run: () => unknown) => new Promise((resolve) => setImmediate(() => resolve(run())));
  for (let n = 0; n < 100; n++) {
    const first = inCallback(async () => {
      const seen = [count()];
      await null;
      seen.push(count());
      other.exec('UPDATE counter SET n = n + 1');
      return seen;
    });
    assert.deepEqual(await Promise.all([first, inCallback(count)]), [[n, n], n + 1]);
  }
});
