import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { addUser, build, PASSWORD, SECRET_KEY } from '../helper.ts';
import { claimsOf, forge, forgeries } from '../plugins/helper-jwt.ts';

const CHALLENGE = 'Bearer realm="api"';
const NO_ACCOUNT = { detail: 'No active account found with the given credentials' };
const INVALID = { detail: 'Token is invalid or expired', code: 'token_not_valid' };
const WRONG_TYPE = { detail: 'Token has wrong type', code: 'token_not_valid' };
const BLACKLISTED = { detail: 'Token is blacklisted', code: 'token_not_valid' };
const INACTIVE = { detail: 'User is inactive', code: 'user_inactive' };
const REQUIRED = ['This field is required.'];
const BLANK = ['This field may not be blank.'];
const NULL = ['This field may not be null.'];
const NOT_TEXT = ['Not a valid string.'];

const OBTAIN = '/api/jwt/token/';
const REFRESH = '/api/jwt/token/refresh/';
const VERIFY = '/api/jwt/token/verify/';
const BLACKLIST = '/api/jwt/token/blacklist/';
const FIELDS: Record<string, string> = { [REFRESH]: 'refresh', [VERIFY]: 'token', [BLACKLIST]: 'refresh' };

const password = PASSWORD;

test('the endpoints under /api/jwt/token/', async (t) => {
  const service = await build(t);
  const { prisma } = service.app;
  const paul = await addUser(service, 'paul');
  const inactive = await addUser(service, 'inactive');
  const post = async (path: string, json: unknown) => {
    const answer = await service.send('POST', path, { json });
    assert.equal(answer.headers['cache-control'], 'no-store');
    if (answer.status === 401) assert.equal(answer.headers['www-authenticate'], CHALLENGE);
    return answer;
  };
  const logIn = async (username = 'paul') => (await post(OBTAIN, { username, password })).body;
  const list = async (access: string) =>
    (await service.send('GET', '/api/v1/todo/', { authorization: `Bearer ${access}` })).status;
  const pair = await logIn();
  const ofInactive = await logIn('inactive');
  await prisma.user.update({ where: { id: inactive.id }, data: { isActive: false } });

  await t.test('a pair has the header and the claims of SimpleJWT', () => {
    const access = claimsOf(pair.access);
    const refresh = claimsOf(pair.refresh);
    for (const token of [pair.access, pair.refresh]) {
      const [header, payload, signature] = token.split('.');
      assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url').toString()), { alg: 'HS256', typ: 'JWT' });
      const expected = createHmac('sha256', SECRET_KEY).update(`${header}.${payload}`).digest('base64url');
      assert.equal(signature, expected);
    }
    for (const [claims, type, lifetime] of [
      [access, 'access', 300],
      [refresh, 'refresh', 86_400],
    ] as const) {
      assert.equal(claims.token_type, type);
      assert.equal(claims.exp - claims.iat, lifetime);
      assert.match(claims.jti, /^[0-9a-f]{32}$/);
      assert.equal(claims.user_id, paul.id);
    }
    assert.notEqual(access.jti, refresh.jti);
  });

  await t.test('each login is another session', async () => {
    const other = await logIn();
    assert.notEqual(claimsOf(other.access).jti, claimsOf(pair.access).jti);
    assert.notEqual(claimsOf(other.refresh).jti, claimsOf(pair.refresh).jti);
    await post(BLACKLIST, { refresh: other.refresh });
    assert.deepEqual([await list(other.access), await list(pair.access)], [401, 200]);
  });

  const noLogin: [string, unknown, number, object][] = [
    ['a wrong password', { username: 'paul', password: 'wrong' }, 401, NO_ACCOUNT],
    ['white space around the password', { username: 'paul', password: `${PASSWORD} ` }, 401, NO_ACCOUNT],
    ['an unknown user', { username: 'nobody', password }, 401, NO_ACCOUNT],
    ['the name in another case', { username: 'PAUL', password }, 401, NO_ACCOUNT],
    ['an inactive user', { username: 'inactive', password }, 401, NO_ACCOUNT],
    ['numbers', { username: 1, password: 2 }, 401, NO_ACCOUNT],
    ['nothing', {}, 400, { username: REQUIRED, password: REQUIRED }],
    ['blank fields', { username: ' ', password: '' }, 400, { username: BLANK, password: BLANK }],
    ['null', { username: null, password: null }, 400, { username: NULL, password: NULL }],
    ['other types', { username: [], password: false }, 400, { username: NOT_TEXT, password: NOT_TEXT }],
    ['a list', [1], 400, { non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] }],
  ];
  for (const [what, json, status, body] of noLogin) {
    await t.test(`no pair for ${what}`, async () => {
      const answer = await post(OBTAIN, json);
      assert.deepEqual([answer.status, answer.body], [status, body]);
    });
  }

  const bad: [string, unknown, number, (field: string) => object][] = [
    ['nothing', {}, 400, (field) => ({ [field]: REQUIRED })],
    ['blank', '', 400, (field) => ({ [field]: BLANK })],
    ['white space', ' \n', 400, (field) => ({ [field]: BLANK })],
    ['null', null, 400, (field) => ({ [field]: NULL })],
    ['true', true, 400, (field) => ({ [field]: NOT_TEXT })],
    ['an array', [pair.refresh], 400, (field) => ({ [field]: NOT_TEXT })],
    ['an object', { token: pair.refresh }, 400, (field) => ({ [field]: NOT_TEXT })],
    ['NUL', `${pair.refresh}\0`, 400, (field) => ({ [field]: ['Null characters are not allowed.'] })],
    ['a number', 12345, 401, () => INVALID],
    ['a number with a point', 1.5, 401, () => INVALID],
    ['no ASCII', 'é🎉.é.é', 401, () => INVALID],
    ['a huge token', 'a'.repeat(200_000), 401, () => INVALID],
    ['a huge token with dots', 'a.'.repeat(100_000), 401, () => INVALID],
  ];
  for (const [path, field] of Object.entries(FIELDS)) {
    for (const [what, value, status, body] of bad) {
      await t.test(`${path} refuses ${what}`, async () => {
        const answer = await post(path, what === 'nothing' ? {} : { [field]: value });
        assert.deepEqual([answer.status, answer.body], [status, body(field)]);
      });
    }
    await t.test(`${path} refuses every forgery`, async () => {
      for (const { what, token } of forgeries(pair.refresh)) {
        const answer = await post(path, { [field]: token });
        assert.deepEqual([what, answer.status, answer.body], [what, 401, INVALID]);
      }
    });
    await t.test(`${path} takes a token with white space around it, in a form, without the slash`, async () => {
      const answer = await service.send('POST', path.slice(0, -1), {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ [field]: ` ${(await logIn()).refresh}\n` }).toString(),
      });
      assert.equal(answer.status, 200, answer.text);
    });
    await t.test(`${path} does not look at the Authorization header`, async () => {
      const { refresh } = await logIn();
      const answer = await service.send('POST', path, { json: { [field]: refresh }, authorization: 'Bearer a b' });
      assert.equal(answer.status, 200, answer.text);
    });
  }

  await t.test('a refresh gives an access token of the same session, again and again', async () => {
    const jtis = new Set([claimsOf(pair.access).jti]);
    for (let times = 0; times < 3; times++) {
      const { status, body } = await post(REFRESH, { refresh: pair.refresh });
      assert.deepEqual([status, Object.keys(body)], [200, ['access']]);
      const claims = claimsOf(body.access);
      assert.deepEqual([claims.token_type, claims.user_id, claims.exp - claims.iat], ['access', paul.id, 300]);
      assert.equal(claims.sid, claimsOf(pair.refresh).sid);
      assert.equal(await list(body.access), 200);
      jtis.add(claims.jti);
    }
    assert.equal(jtis.size, 4);
  });

  await t.test('verify accepts both types and answers {}', async () => {
    for (const token of [pair.access, pair.refresh]) {
      const { status, body } = await post(VERIFY, { token });
      assert.deepEqual([status, body], [200, {}]);
    }
  });

  for (const path of [REFRESH, BLACKLIST]) {
    await t.test(`${path} refuses an access token and any other type`, async () => {
      const others = ['sliding', 'Refresh', ['refresh'], undefined].map((token_type) =>
        forge({ ...claimsOf(pair.refresh), token_type }),
      );
      for (const refresh of [pair.access, ...others]) {
        const { status, body } = await post(path, { refresh });
        assert.deepEqual([status, body], [401, WRONG_TYPE]);
      }
    });
  }

  await t.test('an expired refresh token is expired before it is anything else', async () => {
    for (const path of [REFRESH, BLACKLIST]) {
      const refresh = forge({ ...claimsOf(pair.access), exp: 1 });
      assert.deepEqual((await post(path, { refresh })).body, INVALID);
    }
  });

  await t.test('a refresh token needs the jti of its session', async () => {
    const refresh = forge({ ...claimsOf(pair.refresh), jti: 'f'.repeat(32) });
    assert.deepEqual((await post(REFRESH, { refresh })).body, BLACKLISTED);
  });

  await t.test('a blacklisted login is over: for all its tokens, at once, and for no other', async () => {
    const over = await logIn();
    const { access: refreshed } = (await post(REFRESH, { refresh: over.refresh })).body;
    const ended = await post(BLACKLIST, { refresh: over.refresh });
    assert.deepEqual([ended.status, ended.body], [200, {}]);
    for (const [path, field] of Object.entries(FIELDS)) {
      const { status, body } = await post(path, { [field]: over.refresh });
      assert.deepEqual([path, status, body], [path, 401, BLACKLISTED]);
    }
    for (const token of [over.access, refreshed]) {
      assert.deepEqual((await post(VERIFY, { token })).body, BLACKLISTED);
      assert.equal(await list(token), 401);
    }
    assert.equal(await list(pair.access), 200);
  });

  await t.test('of ten that blacklist at once, one succeeds', async () => {
    const { refresh } = await logIn();
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(BLACKLIST, { refresh })));
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, ...Array(9).fill(401)]);
  });

  await t.test("an inactive user's session rests, and goes on when they are activated", async () => {
    const refused = await post(REFRESH, { refresh: ofInactive.refresh });
    assert.deepEqual([refused.status, refused.body], [401, INACTIVE]);
    await prisma.user.update({ where: { id: inactive.id }, data: { isActive: true } });
    assert.equal((await post(REFRESH, { refresh: ofInactive.refresh })).status, 200);
  });

  await t.test("a deleted user's session is over", async () => {
    const gone = await addUser(service, 'gone');
    const { refresh, access } = await logIn('gone');
    await prisma.user.delete({ where: { id: gone.id } });
    assert.deepEqual((await post(REFRESH, { refresh })).body, BLACKLISTED);
    assert.deepEqual((await post(VERIFY, { token: access })).body, BLACKLISTED);
    assert.deepEqual((await post(BLACKLIST, { refresh })).body, BLACKLISTED);
  });
});

test('the lifetimes are settings', async (t) => {
  const service = await build(t, { JWT_ACCESS_TTL: '60', JWT_REFRESH_TTL: '3600' });
  await addUser(service, 'paul');
  const { body } = await service.send('POST', OBTAIN, { json: { username: 'paul', password } });
  const lifetimes = [body.access, body.refresh].map((token) => claimsOf(token).exp - claimsOf(token).iat);
  assert.deepEqual(lifetimes, [60, 3600]);
});
