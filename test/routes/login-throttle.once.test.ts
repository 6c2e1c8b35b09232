import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, suite, type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { hash } from '@node-rs/argon2';
import { openDatabase } from '../../src/database/index.ts';
import { MAX_HASHES } from '../../src/passwords.ts';
import {
  type Answer,
  addUser,
  build,
  configure,
  logIn,
  makeDatabase,
  PASSWORD,
  send,
  type TestApp,
  temporaryDirectory,
} from '../helper.ts';
import { startServer } from '../src/helper.ts';

import {
  type Attempt,
  assertThrottled,
  attempt,
  behindProxy,
  buildWithUser,
  failThrice,
  LOGINS,
  on,
} from './helper-login-throttle.ts';

const context = { after: after as TestContext['after'] };
const [direct, proxied] = await Promise.all([build(context, on), build(context, behindProxy)]);
// To try a wrong password costs nothing.
const CHEAP_HASH = await hash(PASSWORD, { memoryCost: 8, timeCost: 1 });
let users = 0;

/** An app that tests share, without counts; with a user for this test. */
async function share(
  service: TestApp,
  { username = `user${++users}`, isActive = true } = {},
): Promise<TestApp & { username: string }> {
  const { rateLimit, user } = service.app.prisma;
  await rateLimit.deleteMany();
  await user.create({ data: { username, password: CHEAP_HASH, isActive } });
  return { ...service, username };
}

suite('failed logins', () => {
  for (const who of ['paul', 'inactive', 'nobody']) {
    test(`at both logins count together, and then every password is refused: ${who}`, async () => {
      const service = await share(direct, { isActive: who !== 'inactive' });
      const username = who === 'nobody' ? who : service.username;
      await failThrice(service, { username });
      for (const password of ['wrong', PASSWORD]) {
        for (const [path] of LOGINS) assertThrottled(await attempt(service, { username, password, path }));
      }
      const [row] = await service.app.prisma.rateLimit.findMany({ where: { key: { startsWith: 'login-address' } } });
      assert.equal(row?.points, 3);
    });
  }

  test('count for a name in all its forms, and for no other', async () => {
    const service = await share(direct, { username: 'paul' });
    for (const username of ['paul', ' paul\t', 'ｐａｕｌ']) await attempt(service, { username });
    assertThrottled(await attempt(service, { password: PASSWORD }));
    assert.equal((await attempt(service, { username: 'Paul' })).status, 400);
  });

  test('are forgotten by a success', async () => {
    const service = await share(direct);
    for (const [path] of [...LOGINS, ...LOGINS]) {
      await attempt(service);
      await attempt(service);
      assert.equal((await attempt(service, { password: PASSWORD, path })).status, 200);
    }
    await failThrice(service);
    assertThrottled(await attempt(service));
  });

  test('are those alone of which the password was looked at', async () => {
    const service = await share(direct);
    const { username } = service;
    for (const json of [{ username }, { password: 'x' }, { username, password: '' }, []]) {
      for (const [path] of LOGINS) assert.equal((await service.send('POST', path, { json })).status, 400);
    }
    assert.equal(await service.app.prisma.rateLimit.count(), 0);
  });

  test('from an address are limited over all names, and a success gives a point back', async (t) => {
    const service = await buildWithUser(t, { ...behindProxy, LOGIN_FAILURES_PER_ADDRESS: '10' });
    const from = '192.0.2.1';
    for (let i = 0; i < 5; i++) {
      assert.equal((await attempt(service, { password: PASSWORD, from })).status, 200);
      for (const username of [`a${i}`, `b${i}`]) {
        assert.equal((await attempt(service, { username, from })).status, 400);
      }
    }
    assertThrottled(await attempt(service, { username: 'c', from }));
    assertThrottled(await attempt(service, { password: PASSWORD, from }));
    assert.equal((await attempt(service, { password: PASSWORD, from: '192.0.2.2' })).status, 200);
  });

  const addresses: [what: string, one: string, other: string, together: boolean][] = [
    ['another address', '192.0.2.1', '192.0.2.2', false],
    ['an IPv4 address in IPv6', '192.0.2.1', '::ffff:192.0.2.1', true],
    ['the same IPv6 network', '2001:db8::1', '2001:db8::ffff:1', true],
    ['another IPv6 network', '2001:db8::1', '2001:db8:0:1::1', false],
    ['what a client says before its proxy', '192.0.2.1', '198.51.100.7, 192.0.2.1', true],
  ];
  for (const [what, one, other, together] of addresses) {
    test(`behind a trusted proxy: ${what} counts ${together ? 'with' : 'apart from'} the first`, async () => {
      const service = await share(proxied);
      await failThrice(service, { from: one });
      const answer = await attempt(service, { password: PASSWORD, from: other });
      if (together) assertThrottled(answer);
      else assert.equal(answer.status, 200);
    });
  }

  test('cannot be moved to another address by a forged header', async () => {
    const service = await share(direct);
    for (let i = 0; i < 3; i++) await attempt(service, { from: `192.0.2.${i}` });
    assertThrottled(await attempt(service, { password: PASSWORD, from: '192.0.2.99' }));
  });

  test('are not counted where it is switched off', async (t) => {
    const service = await buildWithUser(t, { ...on, LOGIN_THROTTLE: 'off' });
    for (let i = 0; i < 5; i++) assert.equal((await attempt(service)).status, 400);
    assert.equal(await service.app.prisma.rateLimit.count(), 0);
  });
});

test('logins are in the log, without what was typed', async (t) => {
  const settings = await makeDatabase(t);
  const { prisma, close } = await openDatabase(configure(settings));
  const { id: paul } = await addUser({ app: { prisma } }, 'paul');
  const { id: inactive } = await prisma.user.create({ data: { username: 'inac', password: 'x', isActive: false } });
  await close();
  const server = await startServer(t, { directory: temporaryDirectory(t), settings: { ...settings, ...on } });

  const MISTYPED = 'a-password-in-the-wrong-field';
  const expected: [Attempt, event: string, userId?: number][] = [
    [{ password: PASSWORD }, 'login.succeeded', paul],
    [{ password: PASSWORD, path: '/api/jwt/token/' }, 'login.succeeded', paul],
    [{ password: MISTYPED }, 'login.failed', paul],
    [{ password: PASSWORD, username: 'inac' }, 'login.failed', inactive],
    [{ password: MISTYPED, username: MISTYPED }, 'login.failed'],
    [{ password: MISTYPED, username: MISTYPED, path: '/api/jwt/token/' }, 'login.failed'],
    [{ password: MISTYPED, username: MISTYPED }, 'login.failed'],
    [{ password: MISTYPED, username: MISTYPED }, 'login.throttled'],
  ];
  const ids: unknown[] = [];
  const service = { send: send.bind(undefined, server.origin) };
  for (const [options] of expected) ids.push((await attempt(service, options)).headers['x-request-id']);
  const exit = once(server.child, 'close');
  server.child.kill('SIGTERM');
  await exit;
  const log = server.log();
  const lines = log.split('\n').filter((line) => line.includes('"event":"login.'));
  assert.deepEqual(
    lines.map((line) => {
      const { level, reqId, event, userId, address, msg } = JSON.parse(line);
      return { level, reqId, event, userId, address, msg };
    }),
    expected.map(([, event, userId], i) => {
      const level = event === 'login.throttled' ? 40 : 30;
      return { level, reqId: ids[i], event, userId, address: '127.0.0.1', msg: 'security' };
    }),
  );
  for (const typed of [MISTYPED, PASSWORD, 'paul', 'inac"']) assert.ok(!log.includes(typed), typed);
});

const FLOOD = 2 * MAX_HASHES;

test('a flood of logins is refused in part, and todos go on', async (t) => {
  const limits = { LOGIN_FAILURES_PER_USER: '1000', LOGIN_FAILURES_PER_ADDRESS: '1000' };
  const service = await buildWithUser(t, { ...on, ...limits });
  const authorization = `Token ${(await logIn(service, 'paul')).token}`;
  const answers: Answer[] = [];
  const logins = Array.from({ length: FLOOD }, async (_, i) => {
    answers.push(await attempt(service, { username: i % 2 ? 'paul' : 'nobody' }));
  });
  let todos = 0;
  while (answers.length < logins.length) {
    const json = { title: 'in the flood' };
    assert.equal((await service.send('POST', '/api/v1/todo/', { authorization, json })).status, 201);
    assert.equal((await service.send('GET', '/api/v1/todo/1/', { authorization })).status, 200);
    if (answers.length < logins.length) todos++;
    await setTimeout(20);
  }
  await Promise.all(logins);
  assert.ok(todos > 0);
  const refused = answers.filter(({ status }) => status === 503);
  for (const { headers } of refused) assert.equal(headers['retry-after'], '1');
  assert.ok(refused.length > 0);
  const hashed = answers.filter(({ status }) => status === 400).length;
  assert.ok(hashed >= MAX_HASHES);
  assert.equal(hashed + refused.length, FLOOD);
  const counts = await service.app.prisma.rateLimit.findMany({ where: { key: { startsWith: 'login-address' } } });
  assert.deepEqual(
    counts.map(({ points }) => points),
    [hashed],
  );
});

test('logins that succeed are not limited, however many come at once', async (t) => {
  const service = await build(t, { LOGIN_THROTTLE: 'on' });
  await addUser(service, 'paul');
  const json = { username: 'paul', password: PASSWORD };
  const answers = await Promise.all(Array.from({ length: 20 }, () => service.send('POST', '/api/token', { json })));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
});
