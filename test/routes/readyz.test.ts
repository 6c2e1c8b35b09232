import assert from 'node:assert/strict';
import { test } from 'node:test';
import audit from '../../plugins/audit.ts';
import cors from '../../plugins/cors.ts';
import errors from '../../plugins/errors.ts';
import openapi from '../../plugins/openapi.ts';
import requestId from '../../plugins/request-id.ts';
import securityHeaders from '../../plugins/security-headers.ts';
import shutdown from '../../plugins/shutdown.ts';
import readyz from '../../routes/readyz/index.ts';
import { build } from '../helper.ts';
import { serve } from '../plugins/helper-app.ts';

const UNAVAILABLE = { detail: 'Service temporarily unavailable, try again later.' };

test('GET /readyz answers while the service can', async (t) => {
  const service = await build(t);
  for (const path of ['/readyz', '/readyz/']) {
    const answer = await service.send('GET', path, { authorization: 'Token x' });
    assert.deepEqual([answer.status, answer.body], [200, { status: 'ok' }]);
  }
});

test('GET /readyz is 503 while the service drains', async (t) => {
  const service = await build(t);
  service.app.isDraining = true;
  const answer = await service.send('GET', '/readyz');
  assert.deepEqual([answer.status, answer.body, answer.headers['retry-after']], [503, UNAVAILABLE, '1']);
});

test('GET /readyz is 503 while the database does not answer or takes no writes, and only the log knows why', async (t) => {
  let isWritable: () => boolean = () => {
    throw new Error('disk I/O error');
  };
  const service = await serve(t, [requestId, securityHeaders, shutdown, cors, audit, errors, openapi], (app) => {
    app.decorate('isWritable', async () => isWritable());
    app.register(readyz as never, { prefix: '/readyz' });
  });
  const isRefused = async () => {
    const answer = await service.send('GET', '/readyz');
    assert.deepEqual([answer.status, answer.body, answer.headers['retry-after']], [503, UNAVAILABLE, '1']);
  };
  await isRefused();
  assert.ok(service.logs.some(({ level, err }) => level === 50 && err?.message === 'disk I/O error'));
  isWritable = () => false;
  await isRefused();
  assert.ok(service.logs.some(({ level, msg }) => level === 50 && msg === 'database is read-only'));
  isWritable = () => true;
  assert.equal((await service.send('GET', '/readyz')).status, 200);
});
