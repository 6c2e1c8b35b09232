import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addUser, build, logIn } from '../helper.ts';
import { exchange } from './helper-socket.ts';

const ORDER = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];
const UNUSUAL = ['PROPFIND', 'TRACE', 'PURGE', 'LOCK', 'M-SEARCH', 'SEARCH', 'LINK', 'SOURCE'];

test('methods that a URL does not have', async (t) => {
  const service = await build(t);
  await addUser(service, 'paul');
  const { token } = await logIn(service, 'paul');
  const paths: [string, Record<string, { security?: object[] }>][] = Object.entries(service.app.swagger().paths ?? {});
  const hidden: typeof paths = ['/openapi.json', '/docs'].map((path) => [path, { get: {} }]);
  const urls = [...paths, ...hidden].map(([path, operations]) => {
    const own = Object.keys(operations).map((method) => method.toUpperCase());
    const isProtected = Object.values(operations).some(({ security = [] }) => security.length > 0);
    return {
      url: path.replace('{id}', path.includes('/sessions/') ? 'f'.repeat(32) : '1'),
      own: own.includes('GET') ? [...own, 'HEAD'] : own,
      isProtected,
    };
  });

  await t.test('are found for every URL', () => {
    assert.ok(urls.length >= 12);
    assert.equal(urls.filter(({ isProtected }) => isProtected).length, 12);
  });

  for (const { url, own, isProtected } of urls) {
    const allow = ORDER.filter((method) => own.includes(method) || method === 'OPTIONS').join(', ');
    for (const path of [url, `${url}/`]) {
      await t.test(path, async () => {
        const options = await service.send('OPTIONS', path);
        assert.deepEqual([options.status, options.headers.allow], [200, allow]);
        assert.equal(options.headers['www-authenticate'], undefined);

        const missing = [...ORDER, ...UNUSUAL].filter((method) => !allow.split(', ').includes(method));
        for (const method of missing) {
          const authorization = `Token ${token}`;
          const answer = await service.send(method, path, isProtected ? { authorization } : {});
          assert.deepEqual([method, answer.status, answer.headers.allow], [method, 405, allow]);
          if (method === 'HEAD') assert.equal(answer.text, '');
          else assert.deepEqual(answer.body, { detail: `Method "${method}" not allowed.` });
          if (!isProtected) continue;
          const anonymous = await service.send(method, path);
          assert.deepEqual([method, anonymous.status, anonymous.headers.allow], [method, 401, undefined]);
          const refused = await service.send(method, path, { authorization: 'Token x' });
          assert.deepEqual([method, refused.status], [method, 401]);
        }
      });
    }
  }

  const authorization = `Token ${token}`;
  const PUT_NOT_ALLOWED = { detail: 'Method "PUT" not allowed.' };
  const bodies: [string, string, string, number?][] = [
    ['malformed', 'application/json', '{"title": '],
    ['of another type', 'text/plain', 'x'],
    ['of a type that is none', 'nonsense', 'x'],
    ['too large', 'application/json', '', 9_999_999],
  ];
  for (const [what, type, body, length = body.length] of bodies) {
    await t.test(`the method is judged before a body that is ${what}`, async () => {
      const answer = await exchange(
        service.origin,
        `PUT /api/v1/todo/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\n`,
        `Content-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}`,
      );
      assert.deepEqual([answer.status, answer.body], [405, PUT_NOT_ALLOWED]);
    });
  }

  await t.test('an unknown path is 404 for every method, before credentials', async () => {
    const unknown = ['/', '/api', '/api/v1/todo/x', '/api/v1/todo/update', '/api/v1/todo/update/x', '/api/v1/todo//'];
    for (const path of unknown) {
      for (const method of [...ORDER, ...UNUSUAL]) {
        const answer = await service.send(method, path);
        assert.deepEqual([method, path, answer.status], [method, path, 404]);
        if (method !== 'HEAD') assert.deepEqual(answer.body, { detail: 'Not found.' });
      }
    }
  });

  await t.test('the document shows none of them', () => {
    for (const [, operations] of paths) {
      for (const method of Object.keys(operations)) assert.match(method, /^(get|post|put|patch|delete)$/);
    }
  });
});
