import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { type Answer, addUser, build, enter, logIn, PASSWORD, type TestApp } from '../helper.ts';

const ME = '/api/v1/users/me/';
const NEW_PASSWORD = 'quiet-lantern-walrus-92';
const REQUIRED = ['This field is required.'];
const BLANK = ['This field may not be blank.'];
const WRONG = ['Invalid password.'];

const shared = await build({ after: after as TestContext['after'] });

/** The user paul, and no one else. */
async function begin({ service = shared, isSuperuser = false } = {}) {
  await service.app.prisma.user.deleteMany();
  const { id } = await addUser(service, 'paul', { isSuperuser });
  const credentials = await enter(service, id);
  return { service, id, ...credentials, authorization: `Bearer ${credentials.access}` };
}

const works = async ({ send }: TestApp, authorization: string) =>
  (await send('GET', '/api/v1/todo/', { authorization })).status === 200;

test('an account is shown, and no more of it than is meant to be', async () => {
  const { service, id } = await begin();
  const authorization = `Bearer ${(await logIn(service, 'paul')).access}`;
  const { status, headers, body } = await service.send('GET', ME, { authorization });
  assert.equal(status, 200);
  assert.equal(headers['cache-control'], 'no-store');
  const { date_joined, last_login, ...rest } = body;
  assert.deepEqual(rest, { id, username: 'paul', email: '', is_superuser: false });
  for (const time of [date_joined, last_login]) assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
});

test('the e-mail address may be changed, and nothing else', async () => {
  const { service, authorization } = await begin();
  const change = (json: unknown) => service.send('PATCH', ME, { json, authorization });
  const rows: [sent: unknown, status: number, email: unknown][] = [
    [{ email: ' paul@Domain.COM ' }, 200, 'paul@domain.com'],
    [{}, 200, 'paul@domain.com'],
    [{ username: 'root', is_superuser: true, isSuperuser: true, id: 9, password: 'x' }, 200, 'paul@domain.com'],
    [{ email: 'nonsense' }, 400, ['Enter a valid email address.']],
    [{ email: `${'x'.repeat(251)}@b.c` }, 400, ['Ensure this field has no more than 254 characters.']],
    [{ email: `a@${'İ'.repeat(249)}.x` }, 400, ['Enter a valid email address.']],
    [{ email: null }, 400, ['This field may not be null.']],
    [{ email: '' }, 200, ''],
  ];
  for (const [sent, status, email] of rows) {
    const answer = await change(sent);
    assert.deepEqual([answer.status, answer.body.email], [status, email]);
  }
  const { username, is_superuser } = (await service.send('GET', ME, { authorization })).body;
  assert.deepEqual([username, is_superuser], ['paul', false]);
});

test('a new password ends all but the credential of the request', async () => {
  const { service, id, authorization, token, refresh } = await begin();
  const named = (await service.send('POST', '/api/v1/tokens/', { json: { name: 'a' }, authorization })).body.token;
  const other = await enter(service, id);
  const change = (json: unknown, by = authorization) =>
    service.send('POST', `${ME}password/`, { json, authorization: by });

  const refused: [sent: unknown, body: object][] = [
    [{}, { current_password: REQUIRED, new_password: REQUIRED }],
    [
      { current_password: '', new_password: '' },
      { current_password: BLANK, new_password: BLANK },
    ],
    [{ current_password: 'wrong', new_password: NEW_PASSWORD }, { current_password: WRONG }],
    [{ current_password: `${PASSWORD} `, new_password: NEW_PASSWORD }, { current_password: WRONG }],
    [
      { current_password: PASSWORD, new_password: '123' },
      {
        new_password: [
          'This password is too short. It must contain at least 8 characters.',
          'This password is entirely numeric.',
        ],
      },
    ],
    [
      { current_password: PASSWORD, new_password: 'paulpaul' },
      { new_password: ['The password is too similar to the username.'] },
    ],
    [
      { current_password: PASSWORD, new_password: 'password1' },
      { new_password: ['This password is too easy to guess.'] },
    ],
  ];
  for (const [sent, body] of refused) {
    const answer = await change(sent);
    assert.deepEqual([answer.status, answer.body], [400, body]);
  }
  assert.ok(await works(service, `Token ${named}`));

  const changed = await change({ current_password: PASSWORD, new_password: NEW_PASSWORD });
  assert.deepEqual([changed.status, changed.text], [204, '']);
  assert.ok(await works(service, authorization));
  assert.equal((await service.send('POST', '/api/jwt/token/refresh/', { json: { refresh } })).status, 200);
  for (const ended of [`Token ${token}`, `Token ${named}`, `Bearer ${other.access}`]) {
    assert.ok(!(await works(service, ended)), ended.slice(0, 6));
  }
  const logInBy = (password: string) =>
    service.send('POST', '/api/jwt/token/', { json: { username: 'paul', password } });
  assert.deepEqual([(await logInBy(PASSWORD)).status, (await logInBy(NEW_PASSWORD)).status], [401, 200]);

  const key = (await service.send('POST', '/api/token', { json: { username: 'paul', password: NEW_PASSWORD } })).body;
  const back = { current_password: NEW_PASSWORD, new_password: PASSWORD };
  assert.equal((await change(back, `Token ${key.token}`)).status, 204);
  assert.ok(await works(service, `Token ${key.token}`));
  assert.ok(!(await works(service, authorization)));
});

test('of two who change the password at once, one does', async () => {
  const { service, authorization } = await begin();
  const answers = await Promise.all(
    [NEW_PASSWORD, 'amber-violin-tundra-37'].map((new_password) =>
      service.send('POST', `${ME}password/`, { json: { current_password: PASSWORD, new_password }, authorization }),
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 400]);
  assert.deepEqual(answers.find(({ status }) => status === 400)?.body, { current_password: WRONG });
});

test('guesses at the password of a stolen token are limited as logins are', async (t) => {
  const { service, authorization } = await begin({
    service: await build(t, { LOGIN_THROTTLE: 'on', LOGIN_FAILURES_PER_USER: '3' }),
  });
  const guess = (method: string, path: string, json: object) => service.send(method, path, { json, authorization });
  const tries = [
    await guess('POST', `${ME}password/`, { current_password: 'a', new_password: NEW_PASSWORD }),
    await guess('DELETE', ME, { password: 'b' }),
    await guess('POST', '/api/token', { username: 'paul', password: 'c' }),
    await guess('POST', `${ME}password/`, { current_password: PASSWORD, new_password: NEW_PASSWORD }),
    await guess('DELETE', ME, { password: PASSWORD }),
  ];
  assert.deepEqual(
    tries.map(({ status }) => status),
    [400, 400, 400, 429, 429],
  );
  assert.ok(Number(tries[4]?.headers['retry-after']) > 0);
  assert.ok(await works(service, authorization));
});

test('an account is deleted with all that is its', async () => {
  const { service, id, authorization, token } = await begin();
  const john = await addUser(service, 'john');
  const ofJohn = `Token ${(await enter(service, john.id)).token}`;
  for (const by of [authorization, ofJohn]) {
    await service.send('POST', '/api/v1/todo/', { json: { title: 'x' }, authorization: by });
  }
  const remove = (json: unknown) => service.send('DELETE', ME, { json, authorization });
  assert.deepEqual((await remove({})).body, { password: REQUIRED });
  assert.deepEqual((await remove({ password: 'wrong' })).body, { password: WRONG });
  assert.equal((await remove({ password: PASSWORD })).status, 204);
  for (const by of [authorization, `Token ${token}`]) assert.ok(!(await works(service, by)));
  const { prisma } = service.app;
  assert.equal(await prisma.user.findUnique({ where: { id } }), null);
  assert.deepEqual(
    (await prisma.todo.findMany()).map(({ ownerId }) => ownerId),
    [john.id],
  );
  assert.deepEqual(
    (await prisma.apiToken.findMany()).map(({ userId }) => userId),
    [john.id],
  );
});

test('of two who delete an account at once, the second finds it gone', async () => {
  const { service, authorization } = await begin();
  const remove = () => service.send('DELETE', ME, { json: { password: PASSWORD }, authorization });
  const answers = await Promise.all([remove(), remove()]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401]);
});

test('the last active superuser stays', async () => {
  const { service, authorization } = await begin({ isSuperuser: true });
  const remove = () => service.send('DELETE', ME, { json: { password: PASSWORD }, authorization });
  const body = { non_field_errors: ['You are the last active superuser, who cannot be deleted.'] };
  const answer = await remove();
  assert.deepEqual([answer.status, answer.body], [400, body]);
  await addUser(service, 'root', { isSuperuser: true });
  assert.equal((await remove()).status, 204);
});

test('registration', async (t) => {
  const service = await build(t, { REGISTRATION: 'open' });
  await addUser(service, 'paul');
  const register = (json: unknown): Promise<Answer> => service.send('POST', '/api/v1/users/', { json });

  await t.test('makes an account that can log in, and see only its own', async () => {
    const json = { username: ' john ', email: 'John@Example.ORG', password: PASSWORD, is_superuser: true, id: 77 };
    const { status, headers, body } = await register(json);
    assert.equal(status, 201);
    assert.equal(headers.location, ME);
    assert.deepEqual(
      { ...body, id: 0, date_joined: '' },
      { id: 0, username: 'john', email: 'John@example.org', is_superuser: false, date_joined: '', last_login: null },
    );
    const authorization = `Token ${(await logIn(service, 'john')).token}`;
    const shown = (await service.send('GET', ME, { authorization })).body;
    assert.deepEqual({ ...shown, last_login: null }, body);
    assert.notEqual(body.id, 77);
  });

  const refused: [what: string, sent: unknown, body: object][] = [
    ['nothing', {}, { username: REQUIRED, password: REQUIRED }],
    [
      'a name that is taken',
      { username: 'paul', password: PASSWORD },
      { username: ['A user with that username already exists.'] },
    ],
    [
      'one that is taken when trimmed',
      { username: '\tpaul ', password: PASSWORD },
      { username: ['A user with that username already exists.'] },
    ],
    [
      'one that is taken when normalised',
      { username: 'ｐaul', password: PASSWORD },
      { username: ['A user with that username already exists.'] },
    ],
    [
      'a name too long',
      { username: 'x'.repeat(151), password: PASSWORD },
      { username: ['Ensure this field has no more than 150 characters.'] },
    ],
    [
      'all that is wrong, and not that the name is taken',
      { username: 'paul', email: 'x', password: '12345678' },
      { email: ['Enter a valid email address.'], password: ['This password is entirely numeric.'] },
    ],
    [
      'a name that is none',
      { username: 'a b', password: PASSWORD },
      { username: ['Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.'] },
    ],
    [
      'a password like the name',
      { username: 'marmalade', password: 'marmalade1' },
      { password: ['The password is too similar to the username.'] },
    ],
    ['a list', [], { non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] }],
  ];
  for (const [what, sent, body] of refused) {
    await t.test(`refused: ${what}`, async () => {
      const answer = await register(sent);
      assert.deepEqual([answer.status, answer.body], [400, body]);
    });
  }

  await t.test('of ten who want a name at once, one has it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => register({ username: 'wanted', password: PASSWORD })),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array(9).fill(400)]);
  });
});

test('registration is limited by address, whatever comes of it', async (t) => {
  const service = await build(t, { REGISTRATION: 'open', LOGIN_THROTTLE: 'on', TRUST_PROXY: '127.0.0.1' });
  const register = (address: string) =>
    service.send('POST', '/api/v1/users/', {
      json: { username: 'a b', password: '1' },
      headers: { 'x-forwarded-for': address },
    });
  for (let i = 0; i < 20; i++) assert.equal((await register('203.0.113.7')).status, 400);
  const throttled = await register('203.0.113.7');
  assert.equal(throttled.status, 429);
  const seconds = Number(throttled.headers['retry-after']);
  assert.deepEqual(throttled.body, { detail: `Request was throttled. Expected available in ${seconds} seconds.` });
  assert.equal((await register('203.0.113.8')).status, 400);
});
