import assert from 'node:assert/strict';
import { test } from 'node:test';
import Sqlite from 'better-sqlite3';
import { Type } from 'typebox';
import audit from '../../plugins/audit.ts';
import bodyParsers from '../../plugins/body-parsers.ts';
import cors from '../../plugins/cors.ts';
import errors from '../../plugins/errors.ts';
import requestId from '../../plugins/request-id.ts';
import securityHeaders from '../../plugins/security-headers.ts';
import shutdown from '../../plugins/shutdown.ts';
import { databasePath } from '../../src/database/index.ts';
import { FieldErrors, InvalidToken, JwtInvalid, MethodNotAllowed, NotFound, Unavailable } from '../../src/errors.ts';
import { addUser, build, isOnPostgresql, logIn, PASSWORD } from '../helper.ts';
import { serve } from './helper-app.ts';
import { exchange } from './helper-socket.ts';

const SECRET = 'the-secret-of-the-fault';
const SERVER_ERROR = { detail: 'A server error occurred.' };

const thrown: Record<string, unknown> = {
  '/error': new Error(SECRET),
  '/type-error': new TypeError(SECRET, { cause: new Error(SECRET) }),
  '/with-status-200': Object.assign(new Error(SECRET), { statusCode: 200 }),
  '/with-status-500': Object.assign(new Error(SECRET), { statusCode: 500 }),
  '/with-body': Object.assign(new Error(SECRET), { body: { detail: SECRET } }),
  '/with-code': Object.assign(new Error(SECRET), { code: 'SQLITE_CONSTRAINT', meta: SECRET }),
  '/a-string': SECRET,
  '/an-object': { secret: SECRET },
  '/null': null,
};
const known: Record<string, [Error, number, object, Record<string, string>?]> = {
  '/not-found': [new NotFound(), 404, { detail: 'Not found.' }],
  '/method': [new MethodNotAllowed('PUT'), 405, { detail: 'Method "PUT" not allowed.' }],
  '/fields': [new FieldErrors({ title: ['a', 'b'] }), 400, { title: ['a', 'b'] }],
  '/token': [new InvalidToken(), 401, { detail: 'Invalid token.' }, { 'www-authenticate': 'Bearer realm="api"' }],
  '/jwt': [new JwtInvalid(), 401, { detail: 'Token is invalid or expired', code: 'token_not_valid' }],
  '/unavailable': [new Unavailable(), 503, { detail: 'Service temporarily unavailable, try again later.' }],
};
const busy = ['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', 'P1008', 'P2028', 'P2034'];

test('every error has its shape', async (t) => {
  const service = await serve(t, [requestId, securityHeaders, shutdown, cors, audit, errors, bodyParsers], (app) => {
    const fail = (path: string, error: unknown) =>
      app.get(path, async () => {
        throw error;
      });
    for (const [path, error] of Object.entries(thrown)) fail(path, error);
    for (const [path, [error]] of Object.entries(known)) fail(path, error);
    for (const code of busy) fail(`/${code}`, Object.assign(new Error(SECRET), { code }));
    const response = { 200: Type.Object({ number: Type.Integer() }) };
    app.get('/serialised', { schema: { response } }, async () => ({ number: SECRET }) as never);
    app.get('/sync', () => {
      throw new Error(SECRET);
    });
    app.get('/in-a-hook', { onRequest: () => Promise.reject(new Error(SECRET)) }, async () => ({}));
    app.post('/', { schema: { body: {} } }, async () => ({}));
    // A response schema takes no part in errors.
    const narrow = { '4xx': Type.Object({ other: Type.String() }) };
    app.get('/narrow', { schema: { response: narrow } }, async () => Promise.reject(new NotFound()));
  });

  for (const path of [...Object.keys(thrown), '/serialised', '/sync', '/in-a-hook']) {
    await t.test(`an unexpected exception is told to the log alone: ${path}`, async () => {
      service.logs.length = 0;
      const answer = await service.send('GET', path);
      assert.equal(answer.status, 500, answer.text);
      assert.deepEqual(answer.body, SERVER_ERROR);
      assert.ok(!JSON.stringify(answer.headers).includes(SECRET));
      const lines = service.logs.filter(({ level }) => level >= 50);
      assert.equal(lines.length, 1, JSON.stringify(lines));
      assert.equal(lines[0].reqId, answer.headers['x-request-id']);
      if (path === '/error') assert.ok(lines[0].err.stack.includes(SECRET));
    });
  }

  for (const [path, [, status, body, headers = {}]] of Object.entries(known)) {
    await t.test(`an error of this service: ${path}`, async () => {
      service.logs.length = 0;
      const answer = await service.send('GET', path);
      assert.deepEqual([answer.status, answer.body], [status, body]);
      assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
      for (const [name, value] of Object.entries(headers)) assert.equal(answer.headers[name], value);
      if (status < 500) assert.ok(service.logs.every(({ level }) => level <= 30));
    });
  }

  for (const code of busy) {
    await t.test(`a busy database, ${code}: 503 and when to try again`, async () => {
      const answer = await service.send('GET', `/${code}`);
      assert.deepEqual(
        [answer.status, answer.body],
        [503, { detail: 'Service temporarily unavailable, try again later.' }],
      );
      assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d*$/);
    });
  }

  await t.test('an unknown path is 404 before its body is looked at', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD']) {
      const headers = { 'content-type': 'application/json' };
      const answer = await service.send(method, '/nothing', { headers, body: 'x'.repeat(2000) });
      assert.equal(answer.status, 404);
      if (method !== 'HEAD') assert.deepEqual(answer.body, { detail: 'Not found.' });
    }
  });

  await t.test('413 and 415', async () => {
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
    const large = await exchange(service.origin, `${head}Content-Length: 9999999\r\n\r\n`);
    assert.deepEqual([large.status, large.body], [413, { detail: 'Request body is too large.' }]);
    for (const type of ['text/plain; charset=utf-8', 'nonsense']) {
      const answer = await service.send('POST', '/', { headers: { 'content-type': type }, body: 'x' });
      assert.deepEqual([answer.status, answer.body], [415, { detail: `Unsupported media type "${type}" in request.` }]);
    }
  });

  await t.test('no response schema changes an error', async () => {
    assert.deepEqual((await service.send('GET', '/narrow')).body, { detail: 'Not found.' });
  });
});

const skip = isOnPostgresql && 'this run is on PostgreSQL';

test('while another process holds the lock, writes are 503 and reads go on', { skip }, async (t) => {
  const service = await build(t);
  await addUser(service, 'paul');
  const { token } = await logIn(service, 'paul');
  const authorization = `Token ${token}`;
  const other = new Sqlite(databasePath(service.app.config.DATABASE_URL));
  t.after(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  const refused = [
    await service.send('POST', '/api/v1/todo/', { authorization, json: { title: 'a' } }),
    await service.send('POST', '/api/jwt/token/', { json: { username: 'paul', password: PASSWORD } }),
  ];
  for (const answer of refused) {
    assert.equal(answer.status, 503, answer.text);
    assert.deepEqual(answer.body, { detail: 'Service temporarily unavailable, try again later.' });
    assert.equal(answer.headers['retry-after'], '1');
  }
  assert.deepEqual((await service.send('GET', '/api/v1/todo/', { authorization })).body, []);
  other.exec('ROLLBACK');
  assert.equal((await service.send('POST', '/api/v1/todo/', { authorization, json: { title: 'a' } })).status, 201);
});

test('a write waits for the lock of another process, and holds up nobody', { skip }, async (t) => {
  const service = await build(t);
  await addUser(service, 'paul');
  const { token } = await logIn(service, 'paul');
  const other = new Sqlite(databasePath(service.app.config.DATABASE_URL));
  t.after(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  const answered: string[] = [];
  const ask = async (what: string, ...request: Parameters<typeof service.send>) => {
    const { status } = await service.send(...request);
    answered.push(what);
    return status;
  };
  const writes = [
    ask('a todo', 'POST', '/api/v1/todo/', { authorization: `Token ${token}`, json: { title: 'a' } }),
    ask('a login', 'POST', '/api/jwt/token/', { json: { username: 'paul', password: PASSWORD } }),
  ];
  for (let i = 0; i < 5; i++) assert.equal(await ask('health', 'GET', '/healthz'), 200);
  assert.deepEqual(new Set(answered), new Set(['health']));
  other.exec('ROLLBACK');
  assert.deepEqual(await Promise.all(writes), [201, 200]);
});
