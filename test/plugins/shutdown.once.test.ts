import assert from 'node:assert/strict';
import { test } from 'node:test';
import shutdown from '../../plugins/shutdown.ts';
import { build } from '../helper.ts';
import { serve } from './helper-app.ts';

test('while it drains, the service is not ready and lets its connections go, and still answers', async (t) => {
  const service = await build(t);
  const kept = { headers: { connection: 'keep-alive' } };
  const before = await service.send('GET', '/readyz', kept);
  assert.deepEqual([before.status, before.headers.connection], [200, 'keep-alive']);

  service.app.isDraining = true;
  const ready = await service.send('GET', '/readyz', kept);
  assert.equal(ready.status, 503);
  assert.deepEqual(ready.body, { detail: 'Service temporarily unavailable, try again later.' });
  assert.equal(ready.headers['retry-after'], '1');
  assert.equal(ready.headers.connection, 'close');

  for (const [path, status] of [
    ['/healthz', 200],
    ['/api/v1/todo/', 401],
    ['/nothing', 404],
  ] as const) {
    const answer = await service.send('GET', path, kept);
    assert.deepEqual([answer.status, answer.headers.connection], [status, 'close']);
  }
});

test('it stops after the delay, when requests under way are answered', async (t) => {
  let arrived = () => {};
  let answer = (_value: object) => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const service = await serve(
    t,
    [shutdown],
    (app) => {
      app.get('/', async () => ({ isDraining: app.isDraining }));
      app.get('/slow', () => {
        arrived();
        return new Promise<object>((resolve) => {
          answer = resolve;
        });
      });
    },
    { SHUTDOWN_DELAY: '50' },
  );
  const slow = service.send('GET', '/slow');
  await arrival;
  const stopped = service.app.shutDown();
  assert.equal(service.app.isDraining, true);
  const during = await service.send('GET', '/');
  assert.deepEqual([during.body, during.headers.connection], [{ isDraining: true }, 'close']);
  answer({ done: true });
  assert.deepEqual((await slow).body, { done: true });
  await stopped;
  assert.equal(service.app.server.listening, false);
  await assert.rejects(service.send('GET', '/'), { code: 'ECONNREFUSED' });
});
