import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { makeDatabase, temporaryDirectory, until } from '../helper.ts';
import { startServer } from './helper.ts';

const ROUNDS = 3;
const CONNECTIONS = 60;

/** Asks on a connection of its own; gives what came, when the connection is closed. */
async function ask(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket
    .on('error', () => {})
    .on('data', (chunk) => {
      received += chunk;
    });
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await once(socket, 'close');
  return received;
}

test('no connection hangs whose worker is killed', { timeout: 120_000 }, async (t) => {
  const settings = await makeDatabase(t);
  const server = await startServer(t, { directory: temporaryDirectory(t), settings }, ['--workers', '2']);
  const port = Number(new URL(server.origin).port);
  await server.untilLogged(/workers started/);
  const listening = () => [...server.log().matchAll(/"pid":(\d+),.*"msg":"listening"/g)].map(([, pid]) => Number(pid));
  for (let round = 0; round < ROUNDS; round++) {
    await until('both workers listen', () => listening().length === 2 + round);
    const victim = listening().at(-1) as number;
    const asked = Array.from({ length: CONNECTIONS }, () => ask(port));
    process.kill(victim, 'SIGKILL');
    asked.push(...Array.from({ length: CONNECTIONS }, () => ask(port)));
    const answers = await Promise.all(asked);
    const answered = answers.filter((answer) => answer.startsWith('HTTP/1.1 200'));
    // What the dead worker had taken is closed without an answer.
    assert.deepEqual(
      answers.filter((answer) => answer !== '' && !answer.startsWith('HTTP/1.1 200')),
      [],
    );
    assert.ok(answered.length > CONNECTIONS, `${answered.length} answered`);
  }
});
