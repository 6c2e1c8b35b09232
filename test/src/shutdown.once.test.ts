import assert from 'node:assert/strict';
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { openDatabase } from '../../src/database/index.ts';
import { startWorkers } from '../../src/workers.ts';
import { addUser, configure, makeDatabase, PASSWORD, send, signal, temporaryDirectory } from '../helper.ts';
import { CLI, environment, startServer } from './helper.ts';

const CONNECTIONS = 8;
const ANSWERS_BEFORE_THE_SIGNAL = 200;
// Of a client between two requests.
const PAUSE_MS = 5;

// The half requests are waited for some seconds, in which the others run.
suite('the service', { concurrency: 2 }, () => {
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

  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    test(`${name} under load loses no request`, { timeout: 120_000 }, async (t) => {
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
        if (++answers === ANSWERS_BEFORE_THE_SIGNAL) child.kill(name);
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
});

// Each falls into another step of the start of a worker, which takes a second or so.
for (const pause of [0, 100, 200, 400, 800]) {
  test(`a worker that has been starting for ${pause} ms hears that it is to stop`, { timeout: 120_000 }, async (t) => {
    const directory = temporaryDirectory(t);
    Object.assign(process.env, environment(await makeDatabase(t)), { PORT: '0', SHUTDOWN_DELAY: '0' });
    // In the place of the first worker is what starts at once.
    const first = join(directory, 'first.mjs');
    writeFileSync(first, "import { createServer } from 'node:net';\ncreateServer().listen(0);\n");
    cluster.setupPrimary({ exec: first, args: [], execArgv: [], cwd: directory, silent: true });
    const isReplaced = signal();
    const stop = await startWorkers(1, { error: isReplaced.raise } as unknown as FastifyBaseLogger);
    cluster.setupPrimary({ exec: CLI, args: ['serve'] });
    Object.values(cluster.workers ?? {})[0]?.process.kill('SIGKILL');
    await isReplaced.raised;
    await setTimeout(pause);
    const [worker] = Object.values(cluster.workers ?? {}) as [Worker];
    t.after(() => worker.process.kill('SIGKILL'));
    const exit = once(worker, 'exit');
    await stop();
    const [code, killedBy] = await exit;
    assert.ok(code === 0 || killedBy === 'SIGTERM', `${code} ${killedBy}`);
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
    await setTimeout(PAUSE_MS);
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
    await setTimeout(PAUSE_MS);
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
