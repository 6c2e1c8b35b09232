import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { addUser, build, logIn, until } from '../helper.ts';

const MAX_FOR_ADDRESS = 16 * 2 ** 20;
const CLIENTS = 40;
// Several, as the system takes some of them off the service's hands.
const PAGES = 16;

test('what waits for clients that do not read is bounded, and others are answered', { timeout: 120_000 }, async (t) => {
  const service = await build(t, { METRICS_PORT: '0' });
  const { app, origin, send } = service;
  const { id: ownerId } = await addUser(service, 'paul');
  const authorization = `Token ${(await logIn(service, 'paul')).token}`;
  const todo = { ownerId, title: 'long', body: 'x'.repeat(10_000), dateCreated: '2026-11-27' };
  await app.prisma.todo.createMany({ data: Array.from({ length: 100 }, () => todo) });
  const sockets: Socket[] = [];
  app.server.on('connection', (socket) => sockets.push(socket));

  const { hostname, port } = new URL(origin);
  const request = `GET /api/v1/todo/?limit=100 HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`;
  const clients = Array.from({ length: CLIENTS }, () => {
    const socket = connect(Number(port), hostname).on('error', () => {});
    socket.pause();
    socket.write(request.repeat(PAGES));
    return socket;
  });
  t.after(() => {
    for (const socket of clients) socket.destroy();
  });
  const waiting = () => sockets.reduce((sum, socket) => sum + (socket.destroyed ? 0 : socket.writableLength), 0);
  await until('some are closed', () => app.closedReaders > 0);
  await until('no more waits than may', () => waiting() <= MAX_FOR_ADDRESS);
  assert.ok(app.closedReaders < CLIENTS);
  const metrics = await app.metrics?.registry.getSingleMetricAsString('todo_slow_readers_closed_total');
  assert.match(String(metrics), new RegExp(`^todo_slow_readers_closed_total ${app.closedReaders}$`, 'm'));
  const answer = await send('GET', '/api/v1/todo/?limit=100', { authorization });
  assert.equal(answer.status, 200);
  assert.ok(answer.body.length > 90);
});
