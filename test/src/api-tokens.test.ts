import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, beforeEach, suite, type TestContext, test } from 'node:test';
import { API_TOKEN, digestApiToken } from '../../src/api-token-keys.ts';
import { endApiToken, obtainApiToken } from '../../src/api-tokens.ts';
import type { Login } from '../../src/users.ts';
import { SECRET_KEY } from '../helper.ts';
import { insertUser, open } from './helper.ts';

const { prisma } = await open({ after: after as TestContext['after'] });
beforeEach(() => prisma.user.deleteMany());

test('a user has the same token each time, of 40 hex characters', async () => {
  const [paul, john] = [await insertUser({ prisma }, 'paul'), await insertUser({ prisma }, 'john')];
  const token = await obtainApiToken(prisma, [SECRET_KEY], { id: paul.id });
  assert.match(String(token), API_TOKEN);
  assert.equal(await obtainApiToken(prisma, [SECRET_KEY], { id: paul.id }), token);
  assert.notEqual(await obtainApiToken(prisma, [SECRET_KEY], { id: john.id }), token);
});

test('only the digest of a token is in the database', async () => {
  const { id } = await insertUser({ prisma }, 'paul');
  const token = String(await obtainApiToken(prisma, [SECRET_KEY], { id }));
  const stored = await prisma.apiToken.findMany();
  assert.deepEqual(
    stored.map(({ userId, name, digest }) => ({ userId, name, digest })),
    [{ userId: id, name: 'default', digest: createHash('sha256').update(token).digest('hex') }],
  );
  assert.equal(digestApiToken(token), stored[0]?.digest);
  assert.ok(!JSON.stringify(stored).includes(token));
  assert.equal((await prisma.apiToken.findUser(digestApiToken(token)))?.id, id);
});

test('with another secret a new token takes the place of the old', async () => {
  const { id } = await insertUser({ prisma }, 'paul');
  const old = String(await obtainApiToken(prisma, [SECRET_KEY], { id }));
  const other = String(await obtainApiToken(prisma, [`another ${SECRET_KEY}`], { id }));
  assert.notEqual(other, old);
  assert.equal(await prisma.apiToken.findUser(digestApiToken(old)), undefined);
  assert.equal((await prisma.apiToken.findUser(digestApiToken(other)))?.id, id);
  assert.equal(await prisma.apiToken.count(), 1);
});

test('a token of a former secret stays while that is listed, in any place', async () => {
  const { id } = await insertUser({ prisma }, 'paul');
  const old = await obtainApiToken(prisma, [SECRET_KEY], { id });
  const [newer, newest] = [`newer ${SECRET_KEY}`, `newest ${SECRET_KEY}`];
  assert.equal(await obtainApiToken(prisma, [newer, SECRET_KEY], { id }), old);
  assert.equal(await obtainApiToken(prisma, [newest, newer, SECRET_KEY], { id }), old);
  const other = await obtainApiToken(prisma, [newest, newer], { id });
  assert.notEqual(other, old);
  // The first is the one that derived it.
  assert.equal(await obtainApiToken(prisma, [newest], { id }), other);
  assert.equal(await prisma.apiToken.count(), 1);
});

test('a token that was ended is followed by another', async () => {
  const { id } = await insertUser({ prisma }, 'paul');
  const named = { userId: id, name: 'laptop', digest: 'd'.repeat(64) };
  await prisma.apiToken.create({ data: named });
  const old = await obtainApiToken(prisma, [SECRET_KEY], { id });
  await endApiToken(prisma, id);
  assert.deepEqual(await prisma.apiToken.findMany({ select: { name: true } }), [{ name: 'laptop' }]);
  assert.notEqual(await obtainApiToken(prisma, [SECRET_KEY], { id }), old);
});

suite('20 who obtain it at once get one token', () => {
  test('that is made for the first', async () => {
    const { id } = await insertUser({ prisma }, 'paul');
    const tokens = await Promise.all(Array.from({ length: 20 }, () => obtainApiToken(prisma, [SECRET_KEY], { id })));
    assert.match(String(tokens[0]), API_TOKEN);
    assert.equal(new Set(tokens).size, 1);
    assert.equal(await prisma.apiToken.count(), 1);
  });

  test('that is made for the first login', async () => {
    const { id, password } = await insertUser({ prisma }, 'paul');
    const login: Login = { id, password, isActive: true };
    const tokens = await Promise.all(Array.from({ length: 20 }, () => obtainApiToken(prisma, [SECRET_KEY], login)));
    assert.match(String(tokens[0]), API_TOKEN);
    assert.equal(new Set(tokens).size, 1);
    assert.equal(await prisma.apiToken.count(), 1);
  });

  test('that replaces one of another secret', async () => {
    const { id } = await insertUser({ prisma }, 'paul');
    const old = await obtainApiToken(prisma, [`another ${SECRET_KEY}`], { id });
    const tokens = await Promise.all(Array.from({ length: 20 }, () => obtainApiToken(prisma, [SECRET_KEY], { id })));
    assert.equal(new Set(tokens).size, 1);
    assert.notEqual(tokens[0], old);
    assert.equal(await prisma.apiToken.count(), 1);
  });
});

test('for a login, its time is noted, whether there was a token or not', async () => {
  const { id, password } = await insertUser({ prisma }, 'paul');
  const readLastLogin = async () => (await prisma.user.findUniqueOrThrow({ where: { id } })).lastLogin;
  await obtainApiToken(prisma, [SECRET_KEY], { id });
  assert.equal(await readLastLogin(), null);
  for (const hadToken of [true, false]) {
    if (!hadToken) await endApiToken(prisma, id);
    const start = Date.now();
    assert.ok(await obtainApiToken(prisma, [SECRET_KEY], { id, password, isActive: true }));
    assert.ok(Number(await readLastLogin()) >= start);
  }
});

suite('a login that no longer holds obtains nothing', () => {
  const changes: [name: string, data: { password?: string; isActive?: boolean } | undefined][] = [
    ['as the password was changed', { password: 'another' }],
    ['as the user was made inactive', { isActive: false }],
    ['as the user was deleted', undefined],
  ];
  for (const hadToken of [false, true]) {
    for (const [name, data] of changes) {
      test(`${name}, ${hadToken ? 'though there is a token' : 'and no token is made'}`, async () => {
        const { id, password } = await insertUser({ prisma }, 'paul');
        const login: Login = { id, password, isActive: true };
        if (hadToken) assert.ok(await obtainApiToken(prisma, [SECRET_KEY], login));
        await (data ? prisma.user.update({ where: { id }, data }) : prisma.user.delete({ where: { id } }));
        assert.equal(await obtainApiToken(prisma, [SECRET_KEY], login), undefined);
        assert.equal(await prisma.apiToken.count(), hadToken && data ? 1 : 0);
      });
    }
  }
});
