import assert from 'node:assert/strict';
import { test } from 'node:test';
import requestId from '../../plugins/request-id.ts';
import { build } from '../helper.ts';
import { serve } from './helper-app.ts';

test('an answer carries the id of its request', async (t) => {
  const service = await serve(t, [requestId], (app) => {
    app.get('/', async ({ id }) => ({ id }));
    app.get('/fails', async () => Promise.reject(new Error('x')));
  });
  const answer = await service.send('GET', '/');
  assert.ok(answer.body.id);
  assert.equal(answer.headers['x-request-id'], answer.body.id);
  assert.ok((await service.send('GET', '/fails')).headers['x-request-id']);
  assert.ok((await service.send('GET', '/nothing')).headers['x-request-id']);
});

test('the ids of the service are its own, each another', async (t) => {
  const service = await build(t);
  const ids = new Set<unknown>();
  const paths = ['/healthz', '/nothing', '/api/v1/todo/', '/api/v1/todo/create/', '/%ff'];
  for (const path of [...paths, ...paths]) {
    const headers = { 'x-request-id': 'mine', 'request-id': 'mine' };
    const id = (await service.send('GET', path, { headers })).headers['x-request-id'];
    assert.match(String(id), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    ids.add(id);
  }
  assert.equal(ids.size, 2 * paths.length);
});
