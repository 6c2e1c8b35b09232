import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Metrics } from '../../src/metrics.ts';
import { MAX_HASHES } from '../../src/passwords.ts';
import { addUser, build, holdConnection, isOnPostgresql, logIn, PASSWORD, type TestApp, until } from '../helper.ts';
import { fillHashQueue } from './helper-passwords.ts';

const { cache } = createRequire(import.meta.url);

// First, while nothing in this process has turned them on.
test('without a port there are none, and nothing of prom-client is loaded', async (t) => {
  const { app, send } = await build(t);
  assert.equal(app.metrics, undefined);
  assert.equal((await send('GET', '/metrics')).status, 404);
  const loaded = Object.keys(cache).filter((path) => path.includes('prom-client'));
  assert.deepEqual(loaded, []);
});

/** The app with metrics, and the samples of them that begin with a text. */
async function measured(t: Parameters<typeof build>[0], settings: Record<string, string> = {}) {
  const service = await build(t, { METRICS_PORT: '0', ...settings });
  const { registry } = service.app.metrics as Metrics;
  const read = async (start: string) => {
    const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith(start));
    return Object.fromEntries(lines.map((line) => line.split(/ (?=[^ ]+$)/))) as Record<string, string>;
  };
  return { service, read };
}

const requestCount = (method: string, route: string, status: number) =>
  `http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`;

test('requests are counted by method, route and status, and never by what was typed', async (t) => {
  const { service, read } = await measured(t);
  await addUser(service, 'paul');
  const { token } = await logIn(service, 'paul');
  const authorization = `Token ${token}`;
  for (const id of [1, 2, 3]) await service.send('GET', `/api/v1/todo/${id}/?a=${id}`, { authorization });
  await service.send('GET', '/api/v1/todo', { authorization });
  for (const path of ['/a', '/b', '/metrics', '/api/v1/todo/x/y']) await service.send('GET', path);
  for (const method of ['PROPFIND', 'TRACE']) await service.send(method, '/healthz');
  assert.deepEqual(await read('http_request_duration_seconds_count'), {
    [requestCount('POST', '/api/token', 200)]: '1',
    [requestCount('POST', '/api/jwt/token', 200)]: '1',
    [requestCount('GET', '/api/v1/todo/:id(^\\\\d+$)', 404)]: '3',
    [requestCount('GET', '/api/v1/todo', 200)]: '1',
    [requestCount('GET', 'unmatched', 404)]: '4',
    [requestCount('other', '/healthz', 405)]: '2',
  });
  const [[, seconds]] = Object.entries(await read('http_request_duration_seconds_sum')) as [[string, string]];
  assert.ok(Number(seconds) > 0 && Number(seconds) < 60, seconds);
});

test('log-ins and other security events are counted by name and route', async (t) => {
  const { service, read } = await measured(t, { LOGIN_THROTTLE: 'on', LOGIN_FAILURES_PER_USER: '1' });
  await addUser(service, 'paul');
  await logIn(service, 'paul');
  const fail = () => service.send('POST', '/api/token', { json: { username: 'paul', password: 'wrong' } });
  for (const status of [400, 429]) assert.equal((await fail()).status, status);
  await service.send('GET', '/api/v1/todo/', { authorization: 'Token wrong' });
  const event = (name: string, route: string) => `todo_security_events_total{event="${name}",route="${route}"}`;
  assert.deepEqual(await read('todo_security_events_total'), {
    [event('login.succeeded', '/api/token')]: '1',
    [event('token.created', '/api/token')]: '1',
    [event('login.succeeded', '/api/jwt/token')]: '1',
    [event('login.failed', '/api/token')]: '1',
    [event('login.throttled', '/api/token')]: '1',
    [event('credential.refused', '/api/v1/todo')]: '1',
  });
});

test('passwords that wait for their hash, and those that are refused, are told', async (t) => {
  const { service, read } = await measured(t);
  await addUser(service, 'paul');
  const hold = fillHashQueue(t);
  const json = { username: 'paul', password: PASSWORD };
  for (let i = 0; i < 3; i++) assert.equal((await service.send('POST', '/api/token', { json })).status, 503);
  assert.deepEqual(await read('todo_password_hashes_refused_total'), { todo_password_hashes_refused_total: '3' });
  assert.deepEqual(await read('todo_password_hashes{'), {
    'todo_password_hashes{state="running"}': String(MAX_HASHES - 100),
    'todo_password_hashes{state="waiting"}': '100',
  });
  await hold.release();
  assert.equal((await service.send('POST', '/api/token', { json })).status, 200);
  assert.deepEqual(await read('todo_password_hashes{'), {
    'todo_password_hashes{state="running"}': '0',
    'todo_password_hashes{state="waiting"}': '0',
  });
});

test('live sessions are counted, and left out where the database does not tell', async (t) => {
  const { service, read } = await measured(t);
  const user = await addUser(service, 'paul');
  for (const days of [-1, 1, 2]) {
    const expiresAt = new Date(Date.now() + days * 86_400_000);
    const data = { userId: user.id, refreshJti: `${days}`, expiresAt };
    await service.app.prisma.session.create({ data: { ...data, id: `${days}`.padStart(32, '0') } });
  }
  assert.deepEqual(await read('todo_sessions'), { todo_sessions: '2' });
  await breakSessions(service);
  assert.deepEqual(await read('todo_sessions'), {});
  assert.deepEqual(Object.keys(await read('nodejs_eventloop_lag_p99_seconds')), ['nodejs_eventloop_lag_p99_seconds']);
});

test('scrapes at once share one count of the sessions', {
  skip: !isOnPostgresql && 'this run is on SQLite',
}, async (t) => {
  const { service, read } = await measured(t);
  const { prisma, poolUse } = service.app;
  const busy = () => (poolUse?.().total ?? 0) - (poolUse?.().idle ?? 0);
  await prisma.$transaction(async (tx) => {
    await tx.$executeRaw`LOCK TABLE sessions`;
    const scrapes = Array.from({ length: 5 }, () => read('todo_sessions'));
    await setTimeout(300);
    assert.equal(busy(), 2, 'the lock, and one count');
    assert.deepEqual(await Promise.all(scrapes), Array(5).fill({}));
  });
  assert.deepEqual(await read('todo_sessions'), { todo_sessions: '0' });
});

function breakSessions({ app }: TestApp) {
  return app.prisma.$executeRaw`ALTER TABLE sessions RENAME TO gone`;
}

test('the use of the pool is told where there is one', async (t) => {
  const { service, read } = await measured(t, { DATABASE_POOL_SIZE: '1' });
  if (!isOnPostgresql) {
    assert.deepEqual(await read('todo_database'), {});
    return;
  }
  const hold = await holdConnection(service);
  const wait = Promise.all([1, 2].map(() => service.app.prisma.$queryRaw`SELECT 1`));
  await until('two wait', () => service.app.poolUse?.().waiting === 2);
  const during = await read('todo_');
  assert.equal(during['todo_database_connections{state="busy"}'], '1');
  assert.equal(during['todo_database_connections{state="idle"}'], '0');
  assert.equal(during.todo_database_waiting, '2');
  assert.ok(!('todo_sessions' in during), 'which would have had to wait for the connection');
  await hold.release();
  await wait;
  await until('the connection is free', () => service.app.poolUse?.().idle === 1);
  const after = await read('todo_');
  assert.equal(after.todo_sessions, '0');
  assert.equal(after['todo_database_connections{state="idle"}'], '1');
  assert.equal(after.todo_database_waiting, '0');
});
