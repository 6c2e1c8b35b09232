import assert from 'node:assert/strict';
import { request } from 'node:http';
import { before, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, addUser, build, type Credentials, logIn, type TestApp } from '../helper.ts';

const REQUIRED = ['This field is required.'];
const WRONG_TIME = [
  'Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].',
];
const DENIED = { detail: 'You do not have permission to perform this action.' };
const NOT_FOUND = { detail: 'Not found.' };

let service: TestApp;
let paul: Credentials;
let john: Credentials;

before(async (t) => {
  service = await build(t as TestContext);
  for (const username of ['paul', 'john']) await addUser(service, username);
  paul = await logIn(service, 'paul');
  john = await logIn(service, 'john');
});

const bearer = ({ access }: Credentials) => `Bearer ${access}`;
const create = (json: unknown, authorization = bearer(paul)): Promise<Answer> =>
  service.send('POST', '/api/v1/tokens/', { json, authorization });
const remove = (id: number | string, authorization = bearer(paul)) =>
  service.send('DELETE', `/api/v1/tokens/${id}/`, { authorization });
const listTodos = async (token: string) =>
  (await service.send('GET', '/api/v1/todo/', { authorization: `Token ${token}` })).status;

test('a token is made, shown once, listed, read, used and ended', async () => {
  const { status, headers, body } = await create({ name: ' laptop ' });
  assert.equal(status, 201);
  assert.equal(headers.location, `/api/v1/tokens/${body.id}/`);
  assert.equal(headers['cache-control'], 'no-store');
  const { token, ...shown } = body;
  assert.match(token, /^[0-9a-f]{40}$/);
  assert.deepEqual(
    { ...shown, created_at: Date.parse(shown.created_at) > Date.now() - 60_000 },
    {
      id: shown.id,
      name: 'laptop',
      scopes: null,
      expires_at: null,
      created_at: true,
      last_used_at: null,
      is_default: false,
      is_current: false,
    },
  );
  const read = await service.send('GET', headers.location as string, { authorization: bearer(paul) });
  assert.deepEqual(read.body, shown);
  const list = await service.send('GET', '/api/v1/tokens/', { authorization: `Token ${token}` });
  assert.deepEqual(
    list.body.map(({ name, is_default, is_current }: Answer['body']) => [name, is_default, is_current]),
    [
      ['default', true, false],
      ['laptop', false, true],
    ],
  );
  assert.ok(!list.text.includes(token));
  assert.equal((await remove(body.id)).status, 204);
  assert.equal(await listTodos(token), 401);
  assert.deepEqual((await remove(body.id)).body, NOT_FOUND);
});

const accepted: [what: string, sent: object, scopes: unknown, expires_at: unknown][] = [
  ['a list of scopes', { scopes: ['todo:read'] }, ['todo:read'], null],
  ['a scope twice', { scopes: ['todo:write', 'todo:write'] }, ['todo:write'], null],
  ['scopes as text', { scopes: ' todo:read  todo:write ' }, ['todo:read', 'todo:write'], null],
  ['null', { scopes: null, expires_at: null }, null, null],
  ['a time in UTC', { expires_at: '2999-12-31T23:59:59Z' }, null, '2999-12-31T23:59:59.000Z'],
  ['a time with an offset', { expires_at: '2999-06-01T12:00+02:00' }, null, '2999-06-01T10:00:00.000Z'],
  ['a time without offset', { expires_at: '2999-06-01 12:00:00.123456' }, null, '2999-06-01T12:00:00.123Z'],
  ['fields that nobody may give', { id: 1, userId: 1, digest: 'x', nonce: 'x', is_default: true }, null, null],
];
for (const [what, sent, scopes, expires_at] of accepted) {
  test(`accepted: ${what}`, async () => {
    const { status, body, text } = await create({ name: 'a', ...sent });
    assert.equal(status, 201, text);
    assert.deepEqual([body.scopes, body.expires_at, body.is_default], [scopes, expires_at, false]);
    await remove(body.id);
  });
}

const refused: [what: string, sent: unknown, body: object][] = [
  ['nothing', {}, { name: REQUIRED }],
  ['a blank name', { name: ' ' }, { name: ['This field may not be blank.'] }],
  ['a long name', { name: 'x'.repeat(101) }, { name: ['Ensure this field has no more than 100 characters.'] }],
  ['an unknown scope', { name: 'a', scopes: ['todo:read', 'x'] }, { scopes: ['"x" is not a valid choice.'] }],
  ['a scope in upper case', { name: 'a', scopes: 'TODO:READ' }, { scopes: ['"TODO:READ" is not a valid choice.'] }],
  ['no scope', { name: 'a', scopes: [] }, { scopes: ['This selection may not be empty.'] }],
  ['blank scopes', { name: 'a', scopes: ' ' }, { scopes: ['This selection may not be empty.'] }],
  ['a number for scopes', { name: 'a', scopes: 5 }, { scopes: ['Expected a list of items but got type "int".'] }],
  [
    'an object for scopes',
    { name: 'a', scopes: { toString: 1 } },
    { scopes: ['Expected a list of items but got type "dict".'] },
  ],
  ['objects in the scopes', { name: 'a', scopes: [{ toString: 1 }] }, { scopes: ['Not a valid string.'] }],
  ['a day for a time', { name: 'a', expires_at: '2999-01-01' }, { expires_at: WRONG_TIME }],
  ['a day that is not', { name: 'a', expires_at: '2999-02-29T00:00Z' }, { expires_at: WRONG_TIME }],
  ['an hour that is not', { name: 'a', expires_at: '2999-01-01T25:00Z' }, { expires_at: WRONG_TIME }],
  ['a number for a time', { name: 'a', expires_at: 1e12 }, { expires_at: WRONG_TIME }],
  ['a list for a time', { name: 'a', expires_at: ['2999-01-01T00:00Z'] }, { expires_at: WRONG_TIME }],
  ['a blank time', { name: 'a', expires_at: '' }, { expires_at: WRONG_TIME }],
  ['the past', { name: 'a', expires_at: '2020-01-01T00:00Z' }, { expires_at: ['This must be in the future.'] }],
  [
    'all at once',
    { scopes: 'x', expires_at: 'y' },
    { name: REQUIRED, scopes: ['"x" is not a valid choice.'], expires_at: WRONG_TIME },
  ],
];
for (const [what, sent, body] of refused) {
  test(`refused: ${what}`, async () => {
    const answer = await create(sent);
    assert.deepEqual([answer.status, answer.body], [400, body]);
  });
}

test('a list of many bad scopes is answered shortly', async () => {
  const answer = await create({ name: 'a', scopes: Array.from({ length: 900 }, (_, i) => `s${i}`) });
  assert.equal(answer.status, 400);
  assert.ok(answer.body.scopes.length <= 100);
});

test('an expired token is as an unknown one', async () => {
  const { body } = await create({ name: 'a', expires_at: '2999-01-01T00:00Z' });
  assert.equal(await listTodos(body.token), 200);
  const data = { expiresAt: new Date(Date.now() - 1) };
  await service.app.prisma.apiToken.update({ where: { id: body.id }, data });
  const answer = await service.send('GET', '/api/v1/todo/', { authorization: `Token ${body.token}` });
  assert.deepEqual([answer.status, answer.body], [401, { detail: 'Invalid token.' }]);
  await remove(body.id);
});

test("another's tokens do not exist, for a superuser neither", async () => {
  const { body } = await create({ name: 'a' });
  await addUser(service, 'root', { isSuperuser: true });
  for (const other of [john, await logIn(service, 'root')]) {
    const authorization = bearer(other);
    const list = await service.send('GET', '/api/v1/tokens/', { authorization });
    assert.deepEqual(
      list.body.map(({ name }: Answer['body']) => name),
      ['default'],
    );
    for (const method of ['GET', 'DELETE']) {
      const answer = await service.send(method, `/api/v1/tokens/${body.id}/`, { authorization });
      assert.deepEqual([answer.status, answer.body], [404, NOT_FOUND]);
    }
  }
  assert.equal(await listTodos(body.token), 200);
  await remove(body.id);
});

test('ids that cannot be', async () => {
  for (const id of ['0', '99999999999999999999', '9'.repeat(400), 'x', '-1', '1.5', '%00']) {
    assert.deepEqual((await remove(id)).body, NOT_FOUND, id);
  }
});

test('the token of the request ends itself, the default one too', async () => {
  const { body } = await create({ name: 'a' });
  for (const token of [body.token, paul.token]) {
    assert.equal((await remove('current', `Token ${token}`)).status, 204);
    assert.equal(await listTodos(token), 401);
  }
  assert.deepEqual((await remove('current')).body, NOT_FOUND);
  const renewed = await logIn(service, 'paul');
  assert.notEqual(renewed.token, paul.token);
  assert.equal(await listTodos(renewed.token), 200);
});

test('one that is made with a token ends no later than that', async () => {
  const end = '2999-01-01T00:00:00.000Z';
  const { body } = await create({ name: 'parent', expires_at: end });
  const by = `Token ${body.token}`;
  const late = { expires_at: ['This must not be later than the end of the token of this request.'] };
  for (const expires_at of [undefined, null, '2999-01-01T00:00:00.001Z']) {
    const answer = await create({ name: 'child', expires_at }, by);
    assert.deepEqual([answer.status, answer.body], [400, late]);
  }
  const child = await create({ name: 'child', expires_at: end }, by);
  assert.equal(child.status, 201);
  for (const { id } of [child.body, body]) await remove(id);
});

test('one that is asked for by a credential which ends meanwhile is not made', async () => {
  const pair = await logIn(service, 'paul');
  const named = (await create({ name: 'ends' })).body;
  const ends: [by: string, end: () => Promise<Answer>][] = [
    [bearer(pair), () => service.send('POST', '/api/jwt/token/blacklist/', { json: { refresh: pair.refresh } })],
    [`Token ${named.token}`, () => remove(named.id)],
  ];
  const count = () => service.app.prisma.apiToken.count();
  for (const [authorization, end] of ends) {
    const before = await count();
    const status = new Promise<number | undefined>((resolve, reject) => {
      const headers = { authorization, 'content-type': 'application/json' };
      const outgoing = request(`${service.origin}/api/v1/tokens/`, { method: 'POST', headers }, (incoming) => {
        resolve(incoming.resume().statusCode);
      });
      outgoing.on('error', reject);
      outgoing.write(' ');
      // Credentials are verified before the body is read.
      sleep(100)
        .then(end)
        .then(() => outgoing.end('{"name": "survivor"}'), reject);
    });
    assert.equal(await status, 401);
    assert.ok((await count()) <= before);
  }
});

test('fifty and no more, however many ask at once', async () => {
  const { id } = await addUser(service, 'many');
  const many = bearer(await logIn(service, 'many'));
  const answers: Answer[] = [];
  // More at once may be more than a busy machine answers soon.
  for (let round = 0; round < 3; round++) {
    answers.push(...(await Promise.all(Array.from({ length: 20 }, (_, i) => create({ name: `${i}` }, many)))));
  }
  const made = answers.filter(({ status }) => status === 201);
  const full = answers.filter(({ status }) => status === 400);
  assert.deepEqual([made.length, full.length], [50, 10]);
  assert.deepEqual(full[0]?.body, { non_field_errors: ['You have 50 tokens already. Delete one first.'] });
  assert.equal(await service.app.prisma.apiToken.count({ where: { userId: id } }), 51);
  await remove(made[0]?.body.id, many);
  assert.equal((await create({ name: 'one more' }, many)).status, 201);
});

test('what scopes let through', async (t) => {
  const todo = (await service.send('POST', '/api/v1/todo/', { json: { title: 'x' }, authorization: bearer(paul) }))
    .body;
  const json = { title: 'y' };
  const works: [method: string, path: string, scope: string, json?: object][] = [
    ['GET', '/api/v1/todo/', 'todo:read'],
    ['HEAD', '/api/v1/todo/', 'todo:read'],
    ['GET', `/api/v1/todo/${todo.id}/`, 'todo:read'],
    ['POST', '/api/v1/todo/', 'todo:write', json],
    ['POST', '/api/v1/todo/create/', 'todo:write', json],
    ['PUT', `/api/v1/todo/${todo.id}/`, 'todo:write', json],
    ['PATCH', `/api/v1/todo/${todo.id}/`, 'todo:write', json],
    ['PUT', `/api/v1/todo/update/${todo.id}/`, 'todo:write', json],
    ['PATCH', `/api/v1/todo/update/${todo.id}/`, 'todo:write', json],
    ['DELETE', `/api/v1/todo/delete/${todo.id}/`, 'todo:write'],
    ['GET', '/api/v1/tokens/', 'none'],
    ['POST', '/api/v1/tokens/', 'none', { name: 'a' }],
    ['DELETE', '/api/v1/tokens/current/', 'none'],
    ['GET', '/api/v1/sessions/', 'none'],
    ['DELETE', '/api/v1/sessions/', 'none'],
    ['GET', '/api/v1/users/me/', 'none'],
    ['PATCH', '/api/v1/users/me/', 'none', { email: '' }],
    ['POST', '/api/v1/users/me/password/', 'none', {}],
    ['DELETE', '/api/v1/users/me/', 'none', {}],
  ];
  for (const scopes of [['todo:read'], ['todo:write'], ['todo:read', 'todo:write']]) {
    const { body } = await create({ name: 'a', scopes });
    const authorization = `Token ${body.token}`;
    for (const [method, path, scope, json] of works) {
      await t.test(`${scopes}: ${method} ${path}`, async () => {
        const answer = await service.send(method, path, { authorization, json });
        if (scopes.includes(scope)) assert.ok(answer.status < 300 || answer.status === 404, answer.text);
        else assert.deepEqual([answer.status, answer.body], [403, method === 'HEAD' ? undefined : DENIED]);
      });
    }
    const other = await service.send('PUT', '/api/v1/todo/', { authorization });
    assert.equal(other.status, 405);
    await remove(body.id);
  }
});

test('when a token was used is noted once in five minutes', async () => {
  const { body } = await create({ name: 'a' });
  const read = async () =>
    (await service.send('GET', `/api/v1/tokens/${body.id}/`, { authorization: bearer(paul) })).body.last_used_at;
  const isNoted = async (since: string | null) => {
    for (;;) {
      await listTodos(body.token);
      const noted = await read();
      if (noted !== since) return noted;
    }
  };
  assert.equal(await read(), null);
  const first = await isNoted(null);
  assert.ok(Date.parse(first) > Date.now() - 60_000);
  for (let i = 0; i < 20; i++) await listTodos(body.token);
  assert.equal(await read(), first);
  const lastUsedAt = new Date(Date.parse(first) - 301_000);
  await service.app.prisma.apiToken.update({ where: { id: body.id }, data: { lastUsedAt } });
  assert.ok(Date.parse(await isNoted(lastUsedAt.toISOString())) >= Date.parse(first));
  await remove(body.id);
});
