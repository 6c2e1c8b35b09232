import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { openDatabase } from '../../src/database/index.ts';
import { addUser, configure, makeDatabase, send, temporaryDirectory, until } from '../helper.ts';
import { freePort } from '../ports.ts';
import { startServer } from '../src/helper.ts';

const CLIENTS = 20;

test('requests that their clients give up are logged and counted, each once, with their address', async (t) => {
  const settings = await makeDatabase(t);
  const { prisma, close } = await openDatabase(configure(settings));
  await addUser({ app: { prisma } }, 'paul');
  await close();
  const metricsPort = await freePort();
  const server = await startServer(t, {
    settings: { ...settings, SHUTDOWN_DELAY: '0', LOG_LEVEL: 'info', METRICS_PORT: String(metricsPort) },
    directory: temporaryDirectory(t),
  });
  const { hostname, port } = new URL(server.origin);
  const body = JSON.stringify({ username: 'paul', password: 'wrong' });
  const headers = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue`;
  const giveUp = async () => {
    const socket = connect(Number(port), hostname).on('error', () => {});
    socket.write(`POST /api/token HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`);
    // The service has begun with it; before, there would be no request.
    await once(socket, 'data');
    socket.write(body);
    socket.destroySoon();
  };
  await Promise.all(Array.from({ length: CLIENTS }, giveUp));
  const lines = () =>
    server
      .log()
      .split('\n')
      .filter((line) => line.includes('"/api/token"') && line.includes('"request"'))
      .map((line) => JSON.parse(line));
  await until('all are logged', () => lines().length >= CLIENTS);
  // What is still under way may not be told again.
  await setTimeout(500);
  assert.equal(lines().length, CLIENTS);
  const given = lines().filter(({ status }) => status === 499);
  assert.ok(given.length > 0);
  for (const { method, route, ms } of given) {
    assert.deepEqual([method, route], ['POST', '/api/token']);
    assert.ok(ms > 0);
  }
  const metrics = await send(`http://127.0.0.1:${metricsPort}`, 'GET', '/metrics');
  const counts = [...metrics.text.matchAll(/^http_request_duration_seconds_count\{.*"\/api\/token".*\} (\d+)$/gm)];
  assert.equal(
    counts.reduce((sum, [, count]) => sum + Number(count), 0),
    CLIENTS,
  );
  for (const line of server
    .log()
    .split('\n')
    .filter((line) => line.includes('login.failed'))) {
    assert.equal(JSON.parse(line).address, '127.0.0.1');
  }
});
