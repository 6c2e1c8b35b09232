import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { openDatabase } from '../../src/database/index.ts';
import { addUser, configure, makeDatabase, PASSWORD, send, temporaryDirectory } from '../helper.ts';
import { startServer } from './helper.ts';

const CONNECTIONS = 8;
const ANSWERS_BEFORE_THE_SIGNAL = 200;

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} under load loses no request`, { timeout: 120_000 }, async (t) => {
    const settings = await makeDatabase(t);
    const { prisma, close } = await openDatabase(configure(settings));
    t.after(close);
    await addUser({ app: { prisma } }, 'paul');
    const { child, origin } = await startServer(t, { directory: temporaryDirectory(t), settings });
    const credentials = { username: 'paul', password: PASSWORD };
    const login = await send(origin, 'POST', '/api/token', { json: credentials });
    const authorization = `Token ${login.body.token}`;
    const exit = once(child, 'exit');

    let answers = 0;
    const onAnswer = () => {
      if (++answers === ANSWERS_BEFORE_THE_SIGNAL) child.kill(signal);
    };
    const [readiness, ...clients] = await Promise.all([
      watchReadiness(origin),
      ...Array.from({ length: CONNECTIONS }, () => createUntilRefused(origin, authorization, onAnswer)),
    ]);

    assert.deepEqual(await exit, [0, null]);
    assert.deepEqual(
      readiness.filter((status, index) => status !== readiness[index - 1]),
      [200, 503],
      'not ready before it stops listening, and not ready again',
    );
    for (const { statuses, lastConnection, failure } of clients) {
      assert.deepEqual([...new Set(statuses)], [201]);
      assert.equal(lastConnection, 'close', 'the client was told to leave');
      assert.equal(failure.onNewConnection, true, `${failure.code} on a connection that had answered`);
    }
    // No answer was lost, and none was a promise that the database does not keep.
    assert.equal(await prisma.todo.count(), answers);
  });
}

test('a client that sends half a request does not hold the service', async (t) => {
  const server = await startServer(t, { directory: temporaryDirectory(t), settings: await makeDatabase(t) });
  const exit = once(server.child, 'exit');
  const { port } = new URL(server.origin);
  const sockets = ['', 'GET /healthz HT', 'POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{'].map(
    (text) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
      return socket.on('error', () => {});
    },
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  server.child.kill('SIGTERM');
  assert.deepEqual(await exit, [0, null]);
});

// Each falls into another step of the start of a worker, which takes a second or so.
for (const pause of [0, 100, 200, 400, 800]) {
  test(`a worker that has been starting for ${pause} ms hears that it is to stop`, { timeout: 120_000 }, async (t) => {
    const directory = temporaryDirectory(t);
    const settings = { ...(await makeDatabase(t)), SHUTDOWN_DELAY: '0' };
    const { child, log, untilLogged } = await startServer(t, { directory, settings }, ['--workers', '2']);
    await untilLogged(/workers started/);
    const pids = [...log().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid));
    process.kill(pids.find((pid) => pid !== child.pid) as number, 'SIGKILL');
    await untilLogged(/worker died and is replaced/);
    await setTimeout(pause);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null], log());
    assert.doesNotMatch(log(), /killed by timeout/);
  });
}

/** Creates todos on one kept-alive connection, and on new ones when told to leave, until none is to be had. */
async function createUntilRefused(origin: string, authorization: string, onAnswer: () => void) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const statuses: (number | undefined)[] = [];
  let lastConnection: string | undefined;
  const json = JSON.stringify({ title: 'made under load' });
  for (;;) {
    const headers = { authorization, 'content-type': 'application/json', 'content-length': json.length };
    const outgoing = request(`${origin}/api/v1/todo/`, { method: 'POST', agent, headers });
    const answer = await finish(outgoing, json);
    if (answer instanceof Error) {
      agent.destroy();
      return { statuses, lastConnection, failure: failureOf(outgoing, answer) };
    }
    statuses.push(answer.statusCode);
    lastConnection = answer.headers.connection;
    onAnswer();
  }
}

/** Asks on a new connection each time whether the service is ready, until it does not listen any more. */
async function watchReadiness(origin: string): Promise<(number | undefined)[]> {
  const statuses: (number | undefined)[] = [];
  for (;;) {
    const outgoing = request(`${origin}/readyz`, { agent: false });
    const answer = await finish(outgoing);
    if (answer instanceof Error) {
      assert.equal(failureOf(outgoing, answer).onNewConnection, true);
      return statuses;
    }
    statuses.push(answer.statusCode);
  }
}

/** The answer, when it has come in full, or the error in its place. */
function finish(outgoing: ClientRequest, body?: string): Promise<IncomingMessage | Error> {
  return new Promise((resolve) => {
    outgoing.on('error', resolve);
    outgoing.on('response', (answer) => {
      answer.on('error', resolve).on('end', () => resolve(answer));
      answer.resume();
    });
    outgoing.end(body);
  });
}

/**
 * A new connection is refused, or reset when it still waited in the system's queue as the service
 * stopped listening: neither reached the service, and a client may try elsewhere.
 */
function failureOf(outgoing: ClientRequest, error: NodeJS.ErrnoException) {
  const codes = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'];
  return { code: error.code, onNewConnection: !outgoing.reusedSocket && codes.includes(error.code ?? '') };
}
