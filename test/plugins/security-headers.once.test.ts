import assert from 'node:assert/strict';
import { test } from 'node:test';
import securityHeaders from '../../plugins/security-headers.ts';
import { build } from '../helper.ts';
import { serve } from './helper-app.ts';
import { exchange } from './helper-socket.ts';

const EXPECTED = {
  'content-security-policy': "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

test('every answer carries the security headers', async (t) => {
  const service = await serve(t, [securityHeaders], (app) => {
    app.get('/', async () => ({}));
    app.get('/own', async (_request, reply) => reply.header('content-security-policy', "default-src 'self'").send({}));
  });
  for (const [method, path, status] of [
    ['GET', '/', 200],
    ['HEAD', '/', 200],
    ['GET', '/nothing', 404],
  ] as const) {
    const answer = await service.send(method, path);
    assert.equal(answer.status, status);
    for (const [name, value] of Object.entries(EXPECTED)) assert.equal(answer.headers[name], value, name);
    assert.match(answer.headers['strict-transport-security'] ?? '', /^max-age=\d{7,}/);
    assert.equal(answer.headers['x-powered-by'], undefined);
  }
  const own = await service.send('GET', '/own');
  assert.equal(own.headers['content-security-policy'], "default-src 'self'");
});

test('the service tells nothing of what it is made of, and errors carry the headers, too', async (t) => {
  const service = await build(t);
  const answers = [
    await service.send('GET', '/healthz'),
    await service.send('GET', '/api/v1/todo/'),
    await service.send('GET', '/nothing'),
    await service.send('PUT', '/api/token'),
    await service.send('POST', '/api/token', { json: {} }),
    await exchange(service.origin, 'GET /%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
  ];
  for (const { status, headers } of answers) {
    assert.equal(headers['x-content-type-options'], 'nosniff', String(status));
    assert.equal(headers['content-security-policy'], EXPECTED['content-security-policy']);
    assert.equal(headers['x-powered-by'], undefined);
    assert.equal(headers.server, undefined);
  }
});
