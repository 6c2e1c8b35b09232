import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestApiToken } from '../../src/api-token-keys.ts';
import { isMissing, type KeyedAnswer, openDatabase } from '../../src/database/index.ts';
import { type Answer, build, configure, isOnPostgresql, makeDatabase, send, temporaryDirectory } from '../helper.ts';
import { connect, insertUser, type Server, startServer } from './helper.ts';

const LIST = '/api/v1/todo/';
const FIELDS = { title: 'a title', body: 'a body', is_completed: true, date_created: '2026-11-23' };
const asked = (key: string, fingerprint = 'f') => ({ key, fingerprint: fingerprint.repeat(64) });

/** A database that is open twice, as two processes have it. */
async function openTwice(t: TestContext) {
  const settings = await makeDatabase(t);
  const databases = await Promise.all([1, 2].map(() => openDatabase(configure(settings))));
  for (const { close } of databases) t.after(close);
  const [{ prisma }, other] = databases as [(typeof databases)[0], (typeof databases)[0]];
  return { settings, prisma, other: other.prisma, userId: (await insertUser({ prisma }, 'paul')).id };
}

test('a todo is added and its answer kept, or neither', async (t) => {
  const { prisma, userId } = await openTwice(t);
  const tooLong = 'x'.repeat(256);
  const results = await Promise.allSettled([
    prisma.todo.add(userId, { ...FIELDS, title: 'before' }),
    prisma.todo.addOnce(userId, { ...FIELDS, title: 'lost' }, asked(tooLong)),
    prisma.todo.addOnce(userId, { ...FIELDS, title: 'x'.repeat(101) }, asked('a')),
    prisma.todo.addOnce(userId, { ...FIELDS, title: 'kept' }, asked('b')),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  const todos = await prisma.todo.findMany();
  assert.deepEqual(todos.map(({ title }) => title).sort(), ['before', 'kept']);
  const [kept, ...others] = await prisma.idempotencyKey.findMany();
  assert.deepEqual([kept?.key, others], ['b', []]);
  const { id } = todos.find(({ title }) => title === 'kept') ?? assert.fail();
  assert.equal(kept?.answer, JSON.stringify(await prisma.todo.read({ id: userId, isSuperuser: false }, id)));
});

test('for a user who was deleted nothing is kept', async (t) => {
  const { prisma, userId } = await openTwice(t);
  await prisma.user.delete({ where: { id: userId } });
  await assert.rejects(prisma.todo.addOnce(userId, FIELDS, asked('a')), isMissing);
  assert.deepEqual([await prisma.todo.count(), await prisma.idempotencyKey.count()], [0, 0]);
});

const states: [name: string, isExpired: boolean][] = [
  ['that is new', false],
  ['that has expired', true],
];
for (const [name, isExpired] of states) {
  test(`of many requests of a key ${name}, in two processes, one adds a todo`, async (t) => {
    const { prisma, other, userId } = await openTwice(t);
    for (let round = 0; round < 10; round++) {
      const key = `key ${round}`;
      const kept = { fingerprint: 'e'.repeat(64), answer: '{}', expiresAt: new Date(Date.now() - 1000) };
      if (isExpired) await prisma.idempotencyKey.create({ data: { userId, key, ...kept } });
      const add = (database: typeof prisma) => database.todo.addOnce(userId, FIELDS, asked(key));
      const results = await Promise.all(Array.from({ length: 10 }, (_, i) => add(i % 2 ? prisma : other)));
      const answers = results.filter((result): result is KeyedAnswer => result !== undefined);
      assert.equal(answers.filter(({ isReplay }) => !isReplay).length, 1);
      assert.equal(new Set(answers.map(({ answer }) => answer)).size, 1);
      assert.equal(await prisma.todo.count(), round + 1);
      assert.deepEqual(await add(other), { ...answers[0], isReplay: true });
    }
  });
}

test('another request of a key is told what the first asked', async (t) => {
  const { prisma, other, userId } = await openTwice(t);
  const first = await prisma.todo.addOnce(userId, FIELDS, asked('a'));
  assert.deepEqual(await other.todo.addOnce(userId, FIELDS, asked('a', 'e')), { ...first, isReplay: true });
  assert.equal(await prisma.todo.count(), 1);
});

/** A process is killed while requests, each of a key, are under way, wherever they are, and they are sent to another. */
test('a request that a crash cut off is done once when it is sent again', async (t) => {
  const directory = temporaryDirectory(t);
  const { settings, prisma, userId } = await openTwice(t);
  const token = randomBytes(20).toString('hex');
  await prisma.apiToken.create({ data: { userId, name: 'a', digest: digestApiToken(token) } });
  const raw = connect(t, settings);
  const hold = isOnPostgresql ? 'BEGIN; SELECT * FROM users FOR UPDATE' : 'BEGIN IMMEDIATE';
  const safe = await build(t, settings);

  const ask = (origin: string, key: string) =>
    send(origin, 'POST', LIST, {
      authorization: `Token ${token}`,
      headers: { 'idempotency-key': `"${key}"` },
      json: { ...FIELDS, title: key },
    });
  async function askAgain(key: string): Promise<Answer> {
    const answer = await ask(safe.origin, key);
    // The server of the database may be at it yet.
    return answer.status === 409 ? sleep(20).then(() => askAgain(key)) : answer;
  }
  async function start(): Promise<Server> {
    const server = await startServer(t, { directory, settings });
    assert.equal((await send(server.origin, 'GET', '/readyz')).status, 200);
    return server;
  }
  const askToBeCutOff = ({ origin }: Server, key: string) => ask(origin, key).catch(() => undefined);
  async function isDoneOnce(key: string, answer: Answer | undefined): Promise<void> {
    const again = await askAgain(key);
    assert.equal(again.status, 201, again.text);
    if (answer) assert.deepEqual([again.text, again.headers['idempotent-replayed']], [answer.text, 'true']);
    assert.equal(await prisma.todo.count({ where: { title: key } }), 1);
    assert.equal((await ask(safe.origin, key)).text, again.text);
  }

  await t.test('before the commit', async () => {
    const server = await start();
    await raw.execute(hold);
    const cutOff = askToBeCutOff(server, 'held');
    await sleep(300);
    server.child.kill('SIGKILL');
    assert.equal(await cutOff, undefined);
    await raw.execute('COMMIT');
    await isDoneOnce('held', undefined);
  });

  await t.test('wherever it is', async (t) => {
    const server = await start();
    const cutOff: [key: string, Promise<Answer | undefined>][] = [];
    for (const ms of [16, 8, 4, 2, 1, 0]) {
      const key = `after ${ms} ms`;
      cutOff.push([key, askToBeCutOff(server, key)]);
      await sleep(Math.ceil(ms / 2));
    }
    server.child.kill('SIGKILL');
    for (const [key, answer] of cutOff) await t.test(key, async () => isDoneOnce(key, await answer));
  });
});
