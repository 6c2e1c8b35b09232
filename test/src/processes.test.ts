import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '../../src/database/index.ts';
import {
  type Answer,
  addUser,
  build,
  configure,
  makeDatabase,
  PASSWORD,
  type SendOptions,
  send,
  temporaryDirectory,
} from '../helper.ts';
import { call, startServer } from './helper.ts';

const OTHER_PASSWORD = 'granite-lantern-heron-84';

/** Three processes, of which one is this, serve one database, and each must know at once what was done at another. */
test('processes share everything', async (t) => {
  const directory = temporaryDirectory(t);
  const settings = await makeDatabase(t);
  const database = await openDatabase(configure(settings));
  t.after(() => database.close());
  for (const username of ['paul', 'anna', 'maria', 'otto']) {
    await addUser({ app: database }, username);
  }
  const starts = [startServer(t, { directory, settings }), startServer(t, { directory, settings }), build(t, settings)];
  const [a, b, c] = (await Promise.all(starts)).map(({ origin }) => origin) as [string, string, string];
  const list = (origin: string, authorization: string) => send(origin, 'GET', '/api/v1/todo/', { authorization });
  const logIn = async (origin: string, username: string, password = PASSWORD) => {
    const json = { username, password };
    const token = await send(origin, 'POST', '/api/token', { json });
    const pair = await send(origin, 'POST', '/api/jwt/token/', { json });
    return { token: `Token ${token.body.token}`, bearer: `Bearer ${pair.body.access}`, refresh: pair.body.refresh };
  };

  await t.test('a token and a session that one made, the others accept', async () => {
    const { token, bearer } = await logIn(a, 'paul');
    for (const origin of [b, c]) {
      assert.equal((await list(origin, token)).status, 200);
      assert.equal((await list(origin, bearer)).status, 200);
    }
  });

  await t.test('a logout at one is one at the others', async () => {
    const { bearer, refresh } = await logIn(a, 'paul');
    assert.equal((await send(b, 'POST', '/api/jwt/token/blacklist/', { json: { refresh } })).status, 200);
    for (const origin of [a, b, c]) assert.equal((await list(origin, bearer)).status, 401);
    assert.equal((await send(c, 'POST', '/api/jwt/token/refresh/', { json: { refresh } })).status, 401);
  });

  await t.test('a new password ends every credential everywhere', async () => {
    const { token, bearer } = await logIn(a, 'anna');
    const input = `${OTHER_PASSWORD}\n`;
    const change = await call(['changepassword', 'anna', '--password-stdin'], { directory, settings, input });
    assert.equal(change.code, 0, change.stderr);
    for (const origin of [a, b, c]) {
      assert.equal((await list(origin, token)).status, 401);
      assert.equal((await list(origin, bearer)).status, 401);
    }
    assert.equal((await list(b, (await logIn(c, 'anna', OTHER_PASSWORD)).token)).status, 200);
  });

  await t.test('a deactivation holds at the next request, and an activation restores', async () => {
    const { token, bearer } = await logIn(a, 'maria');
    assert.equal((await call(['deactivate', 'maria'], { directory, settings })).code, 0);
    for (const origin of [a, b, c]) {
      assert.equal((await list(origin, token)).body.detail, 'User inactive or deleted.');
      assert.equal((await list(origin, bearer)).body.code, 'user_inactive');
    }
    assert.equal((await call(['activate', 'maria'], { directory, settings })).code, 0);
    for (const origin of [a, b, c]) assert.equal((await list(origin, bearer)).status, 200);
  });

  await t.test('a new user who asks for the token at all of them at once gets one', async () => {
    const ask = (origin: string) =>
      send(origin, 'POST', '/api/token', { json: { username: 'otto', password: PASSWORD } });
    const answers = await Promise.all([a, b, c, a, b, c, a, b, c].map(ask));
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    assert.equal((await list(a, `Token ${answers[0]?.body.token}`)).status, 200);
  });

  await t.test('a request of one key at all of them at once makes one todo', async () => {
    const { token: authorization } = await logIn(a, 'paul');
    for (let round = 0; round < 10; round++) {
      const title = `round ${round}`;
      const options = { authorization, headers: { 'idempotency-key': title.replace(' ', '-') }, json: { title } };
      const ask = (origin: string) => send(origin, 'POST', '/api/v1/todo/', options);
      const answers = await Promise.all([a, b, c, a, b, c].map(ask));
      assert.equal(await database.prisma.todo.count({ where: { title } }), 1);
      const done = answers.filter(({ status }) => status === 201);
      assert.ok(answers.every(({ status }) => status === 201 || status === 409));
      assert.equal(done.filter(({ headers }) => !headers['idempotent-replayed']).length, 1);
      const later = await Promise.all([a, b, c].map(ask));
      assert.deepEqual(new Set(later.map(({ text }) => text)), new Set(done.map(({ text }) => text)));
      for (const { headers } of later) assert.equal(headers['idempotent-replayed'], 'true');
    }
  });

  await t.test('two changes of different fields at once both hold', async () => {
    const { token: authorization } = await logIn(a, 'paul');
    const at = (origin: string, method: string, path: string, options: SendOptions = {}) =>
      send(origin, method, path, { authorization, ...options });
    for (let round = 0; round < 10; round++) {
      const { body: todo }: Answer = await at(a, 'POST', '/api/v1/todo/', {
        json: { title: 'before', body: 'before' },
      });
      const path = `/api/v1/todo/${todo.id}/`;
      await Promise.all([
        at(b, 'PATCH', path, { json: { title: 'after' } }),
        at(c, 'PATCH', path, { json: { body: 'after' } }),
      ]);
      const changed = await database.prisma.todo.findUniqueOrThrow({ where: { id: todo.id } });
      assert.deepEqual([changed.title, changed.body, changed.version], ['after', 'after', 3]);
    }
  });
});

const HEALTHY = /^http_request_duration_seconds_count\{method="GET",route="\/healthz",status="200"\} (\d+)$/m;

test('workers share a port, sum their metrics, are replaced when they die, and end in order', async (t) => {
  const directory = temporaryDirectory(t);
  const settings = { ...(await makeDatabase(t)), METRICS_PORT: '0' };
  const server = await startServer(t, { directory, settings }, ['--workers', '2']);
  await server.untilLogged(/workers started/);
  const pids = new Set(server.log().match(/"pid":\d+/g));
  assert.equal(pids.size, 3, 'two workers and the process that started them');
  const [, metrics = ''] = /Metrics: (http:\/\/127\.0\.0\.1:\d+)\/metrics/.exec(server.log()) ?? [];
  for (let i = 0; i < 10; i++) await send(server.origin, 'GET', '/healthz');
  const { text } = await send(metrics, 'GET', '/metrics');
  assert.equal(HEALTHY.exec(text)?.[1], '10');
  assert.match(text, /^todo_sessions 0$/m);
  const [worker] = [...pids].map((text) => Number(text.slice(6))).filter((pid) => pid !== server.child.pid);

  process.kill(worker as number, 'SIGKILL');
  await send(metrics, 'GET', '/metrics');
  await server.untilLogged(/worker died and is replaced(.|\n)*listening/);
  for (let i = 0; i < 6; i++) assert.equal((await send(server.origin, 'GET', '/readyz')).status, 200);
  await send(server.origin, 'GET', '/healthz');
  const after = await send(metrics, 'GET', '/metrics');
  assert.equal(after.status, 200);
  assert.ok(Number(HEALTHY.exec(after.text)?.[1]) > 0);

  const exit = new Promise((resolve) => server.child.once('exit', resolve));
  server.child.kill('SIGTERM');
  assert.equal(await exit, 0);
  await assert.rejects(send(server.origin, 'GET', '/readyz'), { code: 'ECONNREFUSED' });
});
