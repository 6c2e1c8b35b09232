import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { addUser, build, enter, SECRET_KEY, type TestApp } from '../helper.ts';
import { claimsOf, forge } from '../plugins/helper-jwt.ts';

const BLACKLISTED = { detail: 'Token is blacklisted', code: 'token_not_valid' };
const INVALID = { detail: 'Token is invalid or expired', code: 'token_not_valid' };
const ROTATING = { JWT_ROTATE_REFRESH_TOKENS: 'true' };

const post = ({ send }: TestApp, path: string, json: object) => send('POST', `/api/jwt/token/${path}/`, { json });
const refresh = (service: TestApp, token: string) => post(service, 'refresh', { refresh: token });
const list = async ({ send }: TestApp, access: string) =>
  (await send('GET', '/api/v1/todo/', { authorization: `Bearer ${access}` })).status;

/** As if so many seconds had passed since the last refresh. */
async function age({ app }: TestApp, seconds: number) {
  const { id, refreshedAt } = await app.prisma.session.findFirstOrThrow();
  const data = { refreshedAt: new Date((refreshedAt?.getTime() ?? 0) - seconds * 1000) };
  await app.prisma.session.update({ where: { id }, data });
}

const context = { after: after as TestContext['after'] };
const rotating = await build(context, ROTATING);
const plain = await build(context, { DATABASE_URL: rotating.app.config.DATABASE_URL });
let users = 0;

/** A new user with the only session. */
async function begin(service = rotating) {
  await service.app.prisma.session.deleteMany();
  const { id } = await addUser(service, `user${++users}`);
  return { service, ...(await enter(service, id)) };
}

test('each refresh gives a new refresh token of the same session', async () => {
  const { service, refresh: first } = await begin();
  const { status, body } = await refresh(service, first);
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(body).sort(), ['access', 'refresh']);
  const [before, after] = [claimsOf(first), claimsOf(body.refresh)];
  assert.notEqual(after.jti, before.jti);
  assert.deepEqual([after.sid, after.user_id, after.token_type], [before.sid, before.user_id, 'refresh']);
  assert.equal(after.exp - after.iat, 86_400);
  assert.equal(await list(service, body.access), 200);
  let present = body.refresh;
  for (let i = 0; i < 5; i++) present = (await refresh(service, present)).body.refresh;
  assert.equal((await post(service, 'verify', { token: present })).status, 200);
  assert.equal((await post(service, 'blacklist', { refresh: present })).status, 200);
  assert.equal(await list(service, body.access), 401);
});

test('the former token gives the same successor for ten seconds', async () => {
  const { service, refresh: first } = await begin();
  const successor = (await refresh(service, first)).body.refresh;
  const again = await refresh(service, first);
  assert.equal(claimsOf(again.body.refresh).jti, claimsOf(successor).jti);
  assert.equal(again.body.refresh, successor);
  assert.equal((await post(service, 'verify', { token: first })).status, 200);
  await age(service, 9);
  assert.equal(claimsOf((await refresh(service, first)).body.refresh).jti, claimsOf(successor).jti);
  assert.equal((await refresh(service, successor)).status, 200);
});

test('twenty at once with one token get one successor', async () => {
  const { service, refresh: first } = await begin();
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(service, first)));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(new Set(answers.map(({ body }) => claimsOf(body.refresh).jti)).size, 1);
  for (const { body } of answers) assert.equal(await list(service, body.access), 200);
});

test('later reuse ends the session, at once and for all its tokens', async () => {
  for (const path of ['refresh', 'blacklist']) {
    const { service, refresh: first, access } = await begin();
    const answer = (await refresh(service, first)).body;
    await age(service, 11);
    assert.deepEqual((await post(service, 'verify', { token: first })).body, BLACKLISTED);
    assert.equal(await list(service, answer.access), 200);
    const reuse = await post(service, path, { refresh: first });
    assert.deepEqual([reuse.status, reuse.body], [401, BLACKLISTED]);
    assert.deepEqual((await refresh(service, answer.refresh)).body, BLACKLISTED);
    assert.deepEqual([await list(service, answer.access), await list(service, access)], [401, 401]);
    assert.equal(await service.app.prisma.session.count(), 0);
  }
});

test('one that is two generations old is reuse, within ten seconds too', async () => {
  const { service, refresh: first } = await begin();
  const second = (await refresh(service, first)).body.refresh;
  await refresh(service, second);
  assert.deepEqual((await refresh(service, first)).body, BLACKLISTED);
  assert.equal(await service.app.prisma.session.count(), 0);
});

test('a session ends for good, however often it is refreshed', async (t) => {
  const settings = { ...ROTATING, JWT_REFRESH_TTL: '3600', JWT_SESSION_TTL: '7200' };
  const { service, refresh: first } = await begin(await build(t, settings));
  const { id } = await service.app.prisma.session.findFirstOrThrow();
  const moveBack = (seconds: number) =>
    service.app.prisma.session.update({ where: { id }, data: { createdAt: new Date(Date.now() - seconds * 1000) } });
  await moveBack(7000);
  const { body } = await refresh(service, first);
  const { exp, iat } = claimsOf(body.refresh);
  assert.ok(exp - iat <= 200 && exp - iat > 150);
  assert.ok(claimsOf(body.access).exp <= exp);
  await moveBack(7300);
  assert.deepEqual((await refresh(service, body.refresh)).body, INVALID);
});

test('a session of before the setting goes on rotating, and one of with it goes on without', async () => {
  const { service, refresh: first } = await begin(plain);
  const answer = await refresh(service, first);
  assert.deepEqual(Object.keys(answer.body), ['access']);
  const { body } = await refresh(rotating, first);
  assert.deepEqual(Object.keys((await refresh(service, body.refresh)).body), ['access']);
});

test('where rotation is switched off, the former token stays over', async () => {
  const { service, refresh: first } = await begin();
  const second = (await refresh(service, first)).body.refresh;
  await age(service, 11);
  assert.equal((await refresh(plain, second)).status, 200);
  assert.deepEqual((await refresh(plain, first)).body, BLACKLISTED);
  assert.equal((await refresh(plain, second)).status, 200);
});

test('an inactive user is told so, and the token is not used up', async () => {
  const { service, refresh: first } = await begin();
  const { prisma } = service.app;
  await prisma.user.updateMany({ data: { isActive: false } });
  assert.deepEqual((await refresh(service, first)).body, { detail: 'User is inactive', code: 'user_inactive' });
  await prisma.user.updateMany({ data: { isActive: true } });
  assert.equal((await refresh(service, first)).status, 200);
});

test('one that is rightly signed and was never given is reuse, where there were others', async () => {
  const { service, refresh: first } = await begin();
  const forged = forge({ ...claimsOf(first), jti: 'f'.repeat(32) }, { secret: SECRET_KEY });
  assert.deepEqual((await refresh(service, forged)).body, BLACKLISTED);
  const second = (await refresh(service, first)).body.refresh;
  assert.deepEqual((await refresh(service, forged)).body, BLACKLISTED);
  assert.deepEqual((await refresh(service, second)).body, BLACKLISTED);
});
