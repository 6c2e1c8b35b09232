import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addUser, build, logIn } from '../helper.ts';

const NAMED = 'https://app.example.com';
const ALSO_NAMED = 'http://localhost:5173';
const LIST = '/api/v1/todo/';
const corsHeaders = (headers: object) => Object.keys(headers).filter((name) => name.startsWith('access-control-'));

test('without origins CORS is off', async (t) => {
  const service = await build(t);
  for (const method of ['GET', 'OPTIONS', 'POST']) {
    const headers = { origin: NAMED, 'access-control-request-method': 'POST' };
    const answer = await service.send(method, LIST, { headers });
    assert.deepEqual(corsHeaders(answer.headers), []);
  }
});

test('with origins', async (t) => {
  const service = await build(t, { CORS_ORIGINS: `${NAMED},${ALSO_NAMED}` });
  await addUser(service, 'paul');
  const { token } = await logIn(service, 'paul');
  const authorization = `Token ${token}`;
  const preflight = (origin: string, path = LIST) =>
    service.send('OPTIONS', path, {
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,idempotency-key',
      },
    });

  for (const origin of [NAMED, ALSO_NAMED]) {
    await t.test(`${origin} may call and read`, async () => {
      const answer = await service.send('GET', LIST, { authorization, headers: { origin } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['access-control-allow-origin'], origin);
      const exposed = answer.headers['access-control-expose-headers']?.toLowerCase().split(/, */) ?? [];
      for (const name of [
        'link',
        'location',
        'idempotent-replayed',
        'retry-after',
        'www-authenticate',
        'x-request-id',
      ]) {
        assert.ok(exposed.includes(name), name);
      }
      assert.equal(answer.headers['access-control-allow-credentials'], undefined);
      assert.match(String(answer.headers.vary), /origin/i);
    });
    await t.test(`${origin} may read errors`, async () => {
      const anonymous = await service.send('GET', LIST, { headers: { origin } });
      assert.equal(anonymous.status, 401);
      assert.equal(anonymous.headers['access-control-allow-origin'], origin);
      const unknown = await service.send('GET', '/nothing', { headers: { origin } });
      assert.equal(unknown.status, 404);
      assert.equal(unknown.headers['access-control-allow-origin'], origin);
      const method = await service.send('PUT', LIST, { authorization, headers: { origin } });
      assert.equal(method.status, 405);
      assert.equal(method.headers['access-control-allow-origin'], origin);
    });
    await t.test(`${origin} gets its preflight answered, without credentials`, async () => {
      const answer = await preflight(origin);
      assert.ok([200, 204].includes(answer.status));
      assert.equal(answer.headers['access-control-allow-origin'], origin);
      const methods = answer.headers['access-control-allow-methods']?.split(/, */) ?? [];
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) assert.ok(methods.includes(method), method);
      const headers = answer.headers['access-control-allow-headers']?.toLowerCase().split(/, */) ?? [];
      for (const name of ['authorization', 'content-type', 'idempotency-key']) assert.ok(headers.includes(name), name);
      assert.match(answer.headers['access-control-max-age'] ?? '', /^\d+$/);
    });
  }

  const strangers = [
    'https://evil.example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil.com',
    'https://xapp.example.com',
    'HTTPS://APP.EXAMPLE.COM',
    `${NAMED}/`,
    `${NAMED},${ALSO_NAMED}`,
    'null',
    '*',
    '',
  ];
  for (const origin of strangers) {
    await t.test(`"${origin}" may not`, async () => {
      const answer = await service.send('GET', LIST, { authorization, headers: { origin } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
      assert.match(String(answer.headers.vary), /origin/i);
      assert.equal((await preflight(origin)).headers['access-control-allow-origin'], undefined);
    });
  }

  await t.test('a bare OPTIONS still tells the methods', async () => {
    for (const headers of [{}, { origin: NAMED }, { origin: 'https://evil.example.com' }]) {
      const answer = await service.send('OPTIONS', LIST, { headers });
      assert.deepEqual([answer.status, answer.headers.allow], [200, 'GET, POST, HEAD, OPTIONS']);
    }
  });

  await t.test('an unknown path is 404 for OPTIONS, too', async () => {
    const answers = [
      await service.send('OPTIONS', '/nothing'),
      await service.send('OPTIONS', '/nothing', { headers: { origin: NAMED } }),
      await preflight(NAMED, '/nothing'),
      await preflight('https://evil.example.com', '/nothing'),
    ];
    for (const { status, body } of answers) assert.deepEqual([status, body], [404, { detail: 'Not found.' }]);
  });
});
