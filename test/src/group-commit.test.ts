import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { openDatabase } from '../../src/database/index.ts';
import { addUser, configure, isOnPostgresql, makeDatabase, PASSWORD, send, temporaryDirectory } from '../helper.ts';
import { insertUser, open, startServer } from './helper.ts';

const fields = { body: '', is_completed: false, date_created: '2026-11-23' };

test('writes of one tick are all done, and the one that fails fails alone', async (t) => {
  const database = await open(t);
  const { prisma } = database;
  const { id } = await insertUser(database, 'paul');
  const titles = ['a', 'b', 'x'.repeat(101), 'c', 'd'];
  const results = await Promise.allSettled(titles.map((title) => prisma.todo.add(id, { ...fields, title })));
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  const stored = await prisma.todo.findMany({ orderBy: { title: 'asc' } });
  assert.deepEqual(
    stored.map(({ title }) => title),
    ['a', 'b', 'c', 'd'],
  );
});

test('changes and removals of one row in one tick follow each other', async (t) => {
  const database = await open(t);
  const { prisma } = database;
  const viewer = { ...(await insertUser(database, 'paul')), isSuperuser: false };
  const { id } = await prisma.todo.add(viewer.id, { ...fields, title: 'first' });
  const [changed, removed, again] = await Promise.all([
    prisma.todo.change(viewer, id, { title: 'second' }),
    prisma.todo.remove(viewer, id),
    isOnPostgresql ? undefined : prisma.todo.change(viewer, id, { title: 'third' }),
  ]);
  assert.equal(removed, true);
  assert.equal(again, undefined);
  if (!isOnPostgresql) assert.equal(changed?.title, 'second');
});

/** A limit on the size of files stands for the disk; it is met as the group is committed. */
test('on a full disk no write is acknowledged that is not kept, and reads go on', {
  skip: isOnPostgresql && 'this run is on PostgreSQL',
}, async (t) => {
  const directory = temporaryDirectory(t);
  const settings = await makeDatabase(t);
  const { prisma, close } = await openDatabase(configure(settings));
  await addUser({ app: { prisma } }, 'paul');
  await close();

  const server = await startServer(t, {
    directory,
    // A report of coverage would not fit.
    settings: { ...settings, NODE_V8_COVERAGE: '' },
    wrapper: ['sh', '-c', 'ulimit -f 1000; exec "$0" "$@"'],
  });
  const login = await send(server.origin, 'POST', '/api/token', { json: { username: 'paul', password: PASSWORD } });
  const authorization = `Token ${login.body.token}`;
  const acknowledged: number[] = [];
  const refused: number[] = [];
  for (let round = 0; refused.length < 30; round++) {
    const create = (i: number) =>
      send(server.origin, 'POST', '/api/v1/todo/', {
        authorization,
        json: { title: `${round} ${i}`, body: 'x'.repeat(5000) },
      });
    for (const { status, body } of await Promise.all(Array.from({ length: 10 }, (_, i) => create(i)))) {
      if (status === 201) acknowledged.push(body.id);
      else refused.push(status);
    }
  }
  assert.deepEqual(new Set(refused), new Set([503]));
  assert.ok(acknowledged.length > 0);
  assert.equal((await send(server.origin, 'GET', '/api/v1/todo/', { authorization })).status, 200);
  const exit = once(server.child, 'exit');
  server.child.kill('SIGTERM');
  await exit;

  const after = await openDatabase(configure(settings));
  t.after(after.close);
  const stored = await after.prisma.todo.findMany({ select: { id: true }, orderBy: { id: 'asc' } });
  assert.deepEqual(
    stored.map(({ id }) => id),
    acknowledged.sort((a, b) => a - b),
  );
});
