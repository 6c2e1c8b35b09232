import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, addUser, build, logIn, PASSWORD } from '../helper.ts';
import { claimsOf } from '../plugins/helper-jwt.ts';

const NOT_FOUND = { detail: 'Not found.' };

test('/api/v1/sessions/', async (t) => {
  const service = await build(t, { TRUST_PROXY: '127.0.0.1' });
  for (const username of ['paul', 'john']) await addUser(service, username);
  const begin = async (username: string, headers: Record<string, string> = {}) => {
    const json = { username, password: PASSWORD };
    const { body } = await service.send('POST', '/api/jwt/token/', { json, headers });
    return { ...body, sid: claimsOf(body.access).sid, authorization: `Bearer ${body.access}` };
  };
  const first = await begin('paul', { 'user-agent': `Browser ${'x'.repeat(600)}`, 'x-forwarded-for': '2001:db8::7' });
  const second = await begin('paul');
  const { token } = await logIn(service, 'john');
  const list = (authorization: string) => service.send('GET', '/api/v1/sessions/', { authorization });
  const ids = async (authorization: string) => (await list(authorization)).body.map(({ id }: Answer['body']) => id);
  const end = (path: string, authorization: string) =>
    service.send('DELETE', `/api/v1/sessions/${path}`, { authorization });

  await t.test('are listed with what is known of them', async () => {
    const { body, headers } = await list(first.authorization);
    assert.equal(headers['cache-control'], 'no-store');
    const shown = body.find(({ id }: Answer['body']) => id === first.sid);
    assert.equal(shown.user_agent, `Browser ${'x'.repeat(492)}`);
    assert.equal(shown.address, '2001:db8::7');
    assert.equal(shown.is_current, true);
    assert.equal(shown.last_refreshed_at, null);
    assert.equal(Date.parse(shown.expires_at) / 1000, claimsOf(first.refresh).exp);
    assert.ok(Math.abs(Date.parse(shown.created_at) - Date.now()) < 60_000);
    const other = body.find(({ id }: Answer['body']) => id === second.sid);
    assert.deepEqual([other.user_agent, other.address, other.is_current], ['', '127.0.0.1', false]);
    assert.equal(body.length, 2);
  });

  await t.test('tell when they were refreshed', async () => {
    await service.send('POST', '/api/jwt/token/refresh/', { json: { refresh: second.refresh } });
    const shown = (await list(first.authorization)).body.find(({ id }: Answer['body']) => id === second.sid);
    assert.ok(Math.abs(Date.parse(shown.last_refreshed_at) - Date.now()) < 60_000);
  });

  await t.test("another's do not exist", async () => {
    const authorization = `Token ${token}`;
    assert.equal((await ids(authorization)).length, 1);
    const answer = await end(`${first.sid}/`, authorization);
    assert.deepEqual([answer.status, answer.body], [404, NOT_FOUND]);
    assert.equal((await list(first.authorization)).status, 200);
  });

  await t.test('ids that cannot be', async () => {
    for (const id of ['f'.repeat(32), 'F'.repeat(32), '1', 'x', `${first.sid}0`, '%00']) {
      assert.deepEqual((await end(`${id}/`, first.authorization)).body, NOT_FOUND, id);
    }
  });

  await t.test('expired ones are not listed', async () => {
    const data = { expiresAt: new Date(Date.now() - 1000) };
    await service.app.prisma.session.update({ where: { id: second.sid }, data });
    assert.deepEqual(await ids(first.authorization), [first.sid]);
  });

  await t.test('one ends, with all its tokens', async () => {
    const third = await begin('paul');
    assert.equal((await end(third.sid, first.authorization)).status, 204);
    assert.equal((await list(third.authorization)).status, 401);
    const refreshed = await service.send('POST', '/api/jwt/token/refresh/', { json: { refresh: third.refresh } });
    assert.deepEqual(refreshed.body, { detail: 'Token is blacklisted', code: 'token_not_valid' });
    assert.equal((await list(first.authorization)).status, 200);
  });

  await t.test('all end, and the tokens and the sessions of others do not', async () => {
    const api = (await logIn(service, 'paul')).token;
    const ofJohn = await begin('john');
    assert.equal((await end('', first.authorization)).status, 204);
    assert.equal((await list(first.authorization)).status, 401);
    assert.deepEqual(await ids(`Token ${api}`), []);
    assert.equal((await list(ofJohn.authorization)).status, 200);
    assert.equal((await end('', `Token ${api}`)).status, 204);
  });
});
