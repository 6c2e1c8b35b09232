import assert from 'node:assert/strict';
import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { passwordQueue } from '../../src/passwords.ts';
import { addUser, build, holdConnection, isOnPostgresql, logIn, type TestApp, until } from '../helper.ts';
import { fillHashQueue } from './helper-passwords.ts';

// Of the first round of requests the service learns what one costs, of the second it refuses some.
const ROUNDS = 2;
const COST_MS = 10;

const REFUSAL = { detail: 'Service temporarily unavailable, try again later.' };

/** Has each request of the app hold the event loop for as long, which is dear. */
function makeDear(app: FastifyInstance): { stop(): void } {
  let isDear = true;
  const clock = new Int32Array(new SharedArrayBuffer(4));
  app.server.prependListener('request', () => {
    // In the same turn, after what has arrived was read.
    setImmediate(() => isDear && Atomics.wait(clock, 0, 0, COST_MS));
  });
  return {
    stop: () => {
      isDear = false;
    },
  };
}

interface Outcome {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Clients that keep their connections, on which they all ask at once. */
function makeClients(t: TestContext, { origin }: TestApp) {
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const ask = (method: string, path: string, headers: OutgoingHttpHeaders, body?: string) =>
    new Promise<Outcome>((resolve, reject) => {
      const outgoing = request(origin + path, { method, agent, headers });
      outgoing.on('error', reject).on('response', (answer) => {
        text(answer).then((body) => {
          resolve({ status: answer.statusCode as number, headers: answer.headers, body });
        }, reject);
      });
      outgoing.end(body);
    });
  return (count: number, method: string, path: string, headers: OutgoingHttpHeaders = {}, body?: string) =>
    Promise.all(Array.from({ length: count }, () => ask(method, path, headers, body)));
}

const statusesOf = (outcomes: Outcome[]) => [...new Set(outcomes.map(({ status }) => status))].sort();

test('what is more than can be answered soon is refused at once, and the service recovers', async (t) => {
  const service = await build(t, { CORS_ORIGINS: 'https://a.example' });
  await addUser(service, 'paul');
  const authorization = `Token ${(await logIn(service, 'paul')).token}`;
  const ask = makeClients(t, service);
  const { stop } = makeDear(service.app);
  const answers: Outcome[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    answers.push(...(await ask(60, 'GET', '/api/v1/todo/', { authorization, origin: 'https://a.example' })));
  }
  assert.deepEqual(statusesOf(answers), [200, 503]);
  assert.equal(service.app.shedRequests, answers.filter(({ status }) => status === 503).length);
  for (const { status, body, headers } of answers) {
    assert.match(String(headers['x-request-id']), /^[0-9a-f-]{36}$/);
    assert.equal(headers['access-control-allow-origin'], 'https://a.example');
    assert.ok(headers['content-security-policy']);
    if (status === 200) continue;
    assert.deepEqual(JSON.parse(body), REFUSAL);
    assert.equal(headers['content-type'], 'application/json; charset=utf-8');
    assert.equal(headers['retry-after'], '1');
  }
  stop();
  // By what is still admitted it learns that requests are cheap again.
  let rounds = 0;
  await until('none of half as many is refused, five times in a row', async () => {
    const answers = await ask(30, 'GET', '/api/v1/todo/', { authorization });
    rounds = statusesOf(answers).includes(503) ? 0 : rounds + 1;
    return rounds === 5;
  });
});

test('it is alive, and not ready', async (t) => {
  const service = await build(t);
  const ask = makeClients(t, service);
  makeDear(service.app);
  const alive: Outcome[] = [];
  const ready: Outcome[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [a, b] = await Promise.all([ask(40, 'GET', '/healthz'), ask(40, 'GET', '/readyz')]);
    alive.push(...a);
    ready.push(...b);
  }
  assert.deepEqual(statusesOf(alive), [200]);
  assert.deepEqual(statusesOf(ready), [200, 503]);
});

test('a refused request with a body leaves its connection whole', async (t) => {
  const service = await build(t);
  const ask = makeClients(t, service);
  makeDear(service.app);
  const body = JSON.stringify({ token: 'x'.repeat(100_000) });
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const answers: Outcome[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    answers.push(...(await ask(60, 'POST', '/api/jwt/token/verify/', headers, body)));
  }
  assert.deepEqual(statusesOf(answers), [401, 503]);
});

test('where too many wait for the database', { skip: !isOnPostgresql }, async (t) => {
  const service = await build(t, { DATABASE_POOL_SIZE: '1' });
  await addUser(service, 'paul');
  const { token } = await logIn(service, 'paul');
  const { app } = service;
  const hold = await holdConnection(service);
  const ask = makeClients(t, service);
  const asked = ask(100, 'GET', '/api/v1/todo/', { authorization: `Token ${token}` });
  await until('all wait or are refused', () => (app.poolUse?.().waiting ?? 0) + app.shedRequests === 100, 1);
  await hold.release();
  const answers = await asked;
  const count = (status: number) => answers.filter((answer) => answer.status === status).length;
  assert.equal(count(200) + count(503), 100);
  assert.ok(count(200) >= 50 && count(503) > 0, `${count(200)} answered, ${count(503)} refused`);
  assert.equal((await service.send('GET', '/api/v1/todo/', { authorization: `Token ${token}` })).status, 200);
});

test('where too many passwords wait for their hash, a log-in is refused before it is read', async (t) => {
  const service = await build(t);
  for (const path of ['/api/token', '/api/jwt/token/']) {
    const hold = fillHashQueue(t);
    const { refused } = passwordQueue();
    const headers = { 'content-type': 'application/json' };
    const refusal = await service.send('POST', path, { headers, body: '{' });
    assert.deepEqual([refusal.status, refusal.body, refusal.headers['retry-after']], [503, REFUSAL, '1']);
    assert.equal(passwordQueue().refused, refused + 1);
    assert.equal(service.app.shedRequests, 0);
    await hold.release();
    assert.equal((await service.send('POST', path, { headers, body: '{' })).status, 400);
  }
});
