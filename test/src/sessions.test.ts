import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, suite, type TestContext, test } from 'node:test';
import type { Prisma } from '../../src/database/index.ts';
import { JwtBlacklisted, JwtInvalid, JwtWrongType, UserInactive } from '../../src/errors.ts';
import { type Claims, type JwtCodec, readClaims } from '../../src/jwt-codec.ts';
import { endSession, flushExpiredSessions, refreshSession, startSession, verifySession } from '../../src/sessions.ts';
import type { Login } from '../../src/users.ts';
import { build, SECRET_KEY } from '../helper.ts';
import { insertUser } from './helper.ts';

const LIFETIMES = { access: 300, refresh: 86400 };
const now = () => Math.floor(Date.now() / 1000);

interface Stage {
  prisma: Prisma;
  codec: JwtCodec;
  login: Login;
}

const { app } = await build({ after: after as TestContext['after'] });

/** The service's own codec, and the only user, with a login. */
async function setUp(): Promise<Stage> {
  await app.prisma.user.deleteMany();
  const { id, password } = await insertUser(app, 'paul');
  return { prisma: app.prisma, codec: app.jwtCodec, login: { id, password, isActive: true } };
}

async function begin({ prisma, codec, login }: Stage) {
  const pair = await startSession(prisma, codec, LIFETIMES, login);
  return pair ?? assert.fail('no session');
}

/** A JWT as anybody could make it who has the secret. */
function forge(claims: object, { header = { alg: 'HS256', typ: 'JWT' }, secret = SECRET_KEY, hash = 'sha256' } = {}) {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const content = `${encode(header)}.${encode(claims)}`;
  return `${content}.${createHmac(hash, secret).update(content).digest('base64url')}`;
}

const decode = (token: string): Claims => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

test('a login begins a session with two tokens', async () => {
  const stage = await setUp();
  const start = now();
  const { refresh, access } = await begin(stage);
  const claims = { refresh: decode(refresh), access: decode(access) };
  for (const [type, lifetime] of Object.entries(LIFETIMES)) {
    const { token_type, exp, iat, jti, user_id, sid } = claims[type as keyof typeof claims];
    assert.equal(token_type, type);
    assert.ok(iat >= start && iat <= now());
    assert.equal(exp, iat + lifetime);
    assert.match(jti, /^[0-9a-f]{32}$/);
    assert.equal(user_id, stage.login.id);
    assert.equal(sid, claims.refresh.sid);
  }
  assert.notEqual(claims.refresh.jti, claims.access.jti);
  const sessions = await stage.prisma.session.findMany();
  assert.deepEqual(
    sessions.map(({ createdAt, ...session }) => session),
    [
      {
        id: claims.refresh.sid,
        userId: stage.login.id,
        refreshJti: claims.refresh.jti,
        previousJti: null,
        refreshedAt: null,
        expiresAt: new Date(claims.refresh.exp * 1000),
        userAgent: '',
        address: '',
      },
    ],
  );
  assert.notEqual(decode((await begin(stage)).refresh).sid, claims.refresh.sid);
});

suite('a login that no longer holds begins none', () => {
  const changes: [name: string, change: (prisma: Prisma, id: number) => Promise<unknown>][] = [
    ['the password was changed', (prisma, id) => prisma.user.update({ where: { id }, data: { password: 'another' } })],
    ['the user is inactive', (prisma, id) => prisma.user.update({ where: { id }, data: { isActive: false } })],
    ['the user is gone', (prisma, id) => prisma.user.delete({ where: { id } })],
  ];
  for (const [name, change] of changes) {
    test(name, async () => {
      const { prisma, codec, login } = await setUp();
      await change(prisma, login.id);
      assert.equal(await startSession(prisma, codec, LIFETIMES, login), undefined);
      assert.equal(await prisma.session.count(), 0);
    });
  }
});

test('a refresh gives a new access token, again and again', async () => {
  const stage = await setUp();
  const { refresh, access } = await begin(stage);
  const { sid, user_id } = decode(refresh);
  const jtis = new Set([decode(access).jti]);
  for (let i = 0; i < 2; i++) {
    const claims = decode((await refreshSession(stage.prisma, stage.codec, LIFETIMES, refresh)).access);
    assert.deepEqual(
      { ...claims, exp: 0, iat: 0, jti: '' },
      { token_type: 'access', exp: 0, iat: 0, jti: '', sid, user_id },
    );
    assert.equal(claims.exp, claims.iat + LIFETIMES.access);
    jtis.add(claims.jti);
  }
  assert.equal(jtis.size, 3);
});

test('only a token that holds has claims', async () => {
  const stage = await setUp();
  const { refresh, access } = await begin(stage);
  const good = decode(refresh);
  const without = (name: keyof Claims) =>
    forge(Object.fromEntries(Object.entries(good).filter(([key]) => key !== name)));
  const [header, payload, signature] = refresh.split('.') as [string, string, string];
  const bad: Record<string, string> = {
    blank: '',
    garbage: 'garbage',
    dots: '..',
    'no signature': `${header}.${payload}.`,
    'another signature': `${header}.${payload}.${signature.split('').reverse().join('')}`,
    'another payload': `${header}.${access.split('.')[1]}.${signature}`,
    'another secret': forge(good, { secret: `another ${SECRET_KEY}` }),
    'no algorithm': forge(good, { header: { alg: 'none', typ: 'JWT' } }),
    'another algorithm': forge(good, { header: { alg: 'HS512', typ: 'JWT' }, hash: 'sha512' }),
    expired: forge({ ...good, exp: now() - 1 }),
    'of the future': forge({ ...good, iat: now() + 3600 }),
    'no array': forge([good]),
    'no exp': without('exp'),
    'no jti': without('jti'),
    'no user_id': without('user_id'),
    'no sid': without('sid'),
    'exp as text': forge({ ...good, exp: String(good.exp) }),
    'jti as number': forge({ ...good, jti: 1 }),
    'user_id as text': forge({ ...good, user_id: '1' }),
    'user_id as fraction': forge({ ...good, user_id: 1.5 }),
    'sid as null': forge({ ...good, sid: null }),
    'iat as text': forge({ ...good, iat: 'yesterday' }),
  };
  for (const [name, token] of Object.entries(bad)) {
    assert.throws(() => readClaims(stage.codec, token), JwtInvalid, name);
    await assert.rejects(refreshSession(stage.prisma, stage.codec, LIFETIMES, token), JwtInvalid, name);
    await assert.rejects(verifySession(stage.prisma, stage.codec, token), JwtInvalid, name);
    await assert.rejects(endSession(stage.prisma, stage.codec, token), JwtInvalid, name);
  }
  assert.deepEqual(readClaims(stage.codec, forge(good)), good);
  assert.equal(readClaims(stage.codec, without('iat')).sid, good.sid);
  await verifySession(stage.prisma, stage.codec, refresh);
});

test('an access token verifies, and neither refreshes nor ends a session', async () => {
  const stage = await setUp();
  const { access } = await begin(stage);
  await verifySession(stage.prisma, stage.codec, access);
  await assert.rejects(refreshSession(stage.prisma, stage.codec, LIFETIMES, access), JwtWrongType);
  await assert.rejects(endSession(stage.prisma, stage.codec, access), JwtWrongType);
  await verifySession(stage.prisma, stage.codec, access);
});

suite('a session is over', () => {
  type Ending = (stage: Stage, refresh: string) => Promise<unknown>;
  const endings: [name: string, end: Ending][] = [
    ['when it was ended', ({ prisma, codec }, refresh) => endSession(prisma, codec, refresh)],
    ['when its row was deleted', ({ prisma }) => prisma.session.deleteMany()],
    ['when its user was deleted', ({ prisma, login }) => prisma.user.delete({ where: { id: login.id } })],
  ];
  for (const [name, end] of endings) {
    test(name, async () => {
      const stage = await setUp();
      const { prisma, codec } = stage;
      const { refresh, access } = await begin(stage);
      await end(stage, refresh);
      await assert.rejects(refreshSession(prisma, codec, LIFETIMES, refresh), JwtBlacklisted);
      await assert.rejects(verifySession(prisma, codec, refresh), JwtBlacklisted);
      await assert.rejects(verifySession(prisma, codec, access), JwtBlacklisted);
      await assert.rejects(endSession(prisma, codec, refresh), JwtBlacklisted);
      const { sid, user_id } = decode(access);
      assert.equal(await prisma.session.findUser(sid, user_id), undefined);
    });
  }

  test('and the others of the user go on', async () => {
    const stage = await setUp();
    const [ended, other] = [await begin(stage), await begin(stage)];
    await endSession(stage.prisma, stage.codec, ended.refresh);
    await verifySession(stage.prisma, stage.codec, other.access);
    assert.ok(await refreshSession(stage.prisma, stage.codec, LIFETIMES, other.refresh));
  });

  test('for one only of two who end it at once', async () => {
    const stage = await setUp();
    const { refresh } = await begin(stage);
    const ends = await Promise.allSettled([0, 1].map(() => endSession(stage.prisma, stage.codec, refresh)));
    assert.deepEqual(ends.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });
});

test('a token of one session does for no other', async () => {
  const stage = await setUp();
  const { prisma, codec } = stage;
  const [one, other] = [decode((await begin(stage)).refresh), decode((await begin(stage)).refresh)];
  const john = await insertUser(stage, 'john');
  for (const token of [forge({ ...one, jti: other.jti }), forge({ ...one, user_id: john.id })]) {
    await assert.rejects(refreshSession(prisma, codec, LIFETIMES, token), JwtBlacklisted);
  }
  await assert.rejects(endSession(prisma, codec, forge({ ...one, user_id: john.id })), JwtBlacklisted);
  await assert.rejects(verifySession(prisma, codec, forge({ ...one, user_id: john.id })), JwtBlacklisted);
  assert.equal(await prisma.session.count(), 2);
});

test('the sessions of an inactive user rest until the user is active again', async () => {
  const stage = await setUp();
  const { prisma, codec, login } = stage;
  const { refresh } = await begin(stage);
  await prisma.user.update({ where: { id: login.id }, data: { isActive: false } });
  await assert.rejects(refreshSession(prisma, codec, LIFETIMES, refresh), UserInactive);
  await prisma.user.update({ where: { id: login.id }, data: { isActive: true } });
  assert.ok(await refreshSession(prisma, codec, LIFETIMES, refresh));
});

test('expired sessions are deleted when their last access token has expired too', async () => {
  const { prisma, login } = await setUp();
  const expiries = { live: 60, 'just expired': -60, expired: -LIFETIMES.access - 60, 'long expired': -1e6 };
  for (const [id, seconds] of Object.entries(expiries)) {
    const expiresAt = new Date(Date.now() + seconds * 1000);
    await prisma.session.create({ data: { id, userId: login.id, refreshJti: id, expiresAt } });
  }
  assert.equal(await flushExpiredSessions(prisma, LIFETIMES), 2);
  const left = await prisma.session.findMany({ select: { id: true }, orderBy: { id: 'asc' } });
  assert.deepEqual(left, [{ id: 'just expired' }, { id: 'live' }]);
  assert.equal(await flushExpiredSessions(prisma, LIFETIMES), 0);
});
