import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
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

test('what was read is repeated while nobody commits', async (t) => {
  const { count, finds } = setUp(t);
  assert.deepEqual([await count(), await count(), ...(await Promise.all([count(), count()]))], [0, 0, 0, 0]);
  assert.equal(finds(), 1);
});

test('a commit of another connection is seen by the next turn, a rollback changes nothing', async (t) => {
  const { other, count, finds } = setUp(t);
  for (let n = 1; n <= 100; n++) {
    await turn();
    other.exec('UPDATE counter SET n = n + 1');
    assert.deepEqual(await Promise.all([count(), count()]), [n, n]);
  }
  other.exec('BEGIN; UPDATE counter SET n = -1');
  await turn();
  assert.equal(await count(), 100);
  other.exec('ROLLBACK');
  await turn();
  assert.equal(await count(), 100);
  assert.equal(finds(), 100);
});

test('a commit of its own connection is seen when it says so', async (t) => {
  const { own, forget, count } = setUp(t);
  assert.equal(await count(), 0);
  own.exec('UPDATE counter SET n = 7');
  forget();
  assert.equal(await count(), 7);
});

test('no more is kept than fits', async (t) => {
  const { count, finds } = setUp(t);
  for (let i = 0; i < 3; i++) await count(() => 17_000_000);
  assert.equal(finds(), 1, 'one value that is too large is kept, in place of all others');
});

test('the callbacks of a turn see what was committed up to the last of them, the next turn what came after', async (t) => {
  const { other, count } = setUp(t);
  const inCallback = <Result>(run: () => Result | Promise<Result>) =>
    new Promise<Result>((resolve) => setImmediate(() => resolve(run())));
  for (let n = 0; n < 100; n += 2) {
    const askAndCommit = async () => {
      const asked = count();
      other.exec('UPDATE counter SET n = n + 1');
      return asked;
    };
    assert.deepEqual(await Promise.all([inCallback(askAndCommit), inCallback(count)]), [n + 1, n + 1]);
    const askThenCommitThenAsk = async () => {
      const seen = await count();
      const again = await count();
      await turn();
      other.exec('UPDATE counter SET n = n + 1');
      return [seen, again, await count()];
    };
    assert.deepEqual(await askThenCommitThenAsk(), [n + 1, n + 1, n + 2]);
  }
});

test('where the database cannot be asked, each read fails, and the next are asked anew', async (t) => {
  const { own, count } = setUp(t);
  own.close();
  const reads = await Promise.allSettled(Array.from({ length: 40 }, () => count()));
  assert.ok(reads.every(({ status }) => status === 'rejected'));
  await assert.rejects(count(), /not open/);
});
