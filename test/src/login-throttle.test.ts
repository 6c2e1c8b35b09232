import assert from 'node:assert/strict';
import { after, suite, type TestContext, test } from 'node:test';
import { openDatabase } from '../../src/database/index.ts';
import { Throttled, Unavailable } from '../../src/errors.ts';
import { addressKey, createLoginThrottle, type LoginThrottle } from '../../src/login-throttle.ts';
import { MAX_HASHES } from '../../src/passwords.ts';
import { configure, makeDatabase, temporaryDirectory } from '../helper.ts';
import { call, connect } from './helper.ts';

const settings = await makeDatabase({ after: after as TestContext['after'] });
const open = await Promise.all(Array.from({ length: 10 }, () => openDatabase(configure(settings))));
after(() => Promise.all(open.map(({ close }) => close())));

suite('an address counts', () => {
  const cases: [address: string | undefined, key: string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1%eth0', '192.0.2.1'],
    ['192.0.2.1:4711', '192.0.2.1'],
    ['[::ffff:192.0.2.1]:4711', '192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8:0:0:ffff:ffff:ffff:ffff', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['2001:db8:a:b:c:d:192.0.2.1', '2001:db8:a:b::/64'],
    ['[2001:db8::1]', '2001:db8:0:0::/64'],
    ['[2001:db8::1]:4711', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['fe80::2%25en1', 'fe80:0:0:0::/64'],
    ['fe80::1%', 'fe80::1%'],
    ['256.0.2.1', '256.0.2.1'],
    ['192.0.2.1, 192.0.2.2', '192.0.2.1, 192.0.2.2'],
    ['2001:db8::1::2', '2001:db8::1::2'],
    ['2001:db8::/64', '2001:db8::/64'],
    ['[::1', '[::1'],
    ['unknown', 'unknown'],
    ['', ''],
    [undefined, ''],
  ];
  for (const [address, key] of cases) test(`${address} as ${key}`, () => assert.equal(addressKey(address), key));
});

const LIMITS = { perUser: 10, perAddress: 100 };
const HERE = '192.0.2.1';
const WINDOW_MS = 15 * 60 * 1000;

const succeed = async () => ({ login: {} });
const fail = async () => ({});

/** What came of a login: `ran`, or the seconds for which it was throttled. */
async function attempt(
  throttle: LoginThrottle,
  username = 'paul',
  address = HERE,
  logIn: () => Promise<object> = fail,
) {
  try {
    await throttle.logIn(address, username, logIn);
    return 'ran';
  } catch (error) {
    if (error instanceof Throttled) return error.retryAfter;
    throw error;
  }
}

async function attempts(count: number, ...args: Parameters<typeof attempt>) {
  for (let i = 0; i < count; i++) assert.equal(await attempt(...args), 'ran');
}

/** Throttles on one database with no attempt in it, each with a connection of its own as processes have. */
async function openThrottles(count: number, limits = LIMITS) {
  const databases = open.slice(0, count);
  await open[0]?.prisma.rateLimit.deleteMany();
  const throttles = databases.map(({ prisma }) => createLoginThrottle(prisma, limits));
  const [{ prisma }] = databases as [(typeof databases)[0]];
  const countOf = async (name: string) => {
    const rows = await prisma.rateLimit.findMany({ where: { key: { startsWith: `${name}:` } } });
    return rows.reduce((sum, { points }) => sum + points, 0);
  };
  return { prisma, throttles: throttles as [LoginThrottle, ...LoginThrottle[]], countOf };
}

suite('failed logins', () => {
  test('as one user from one address are limited, for whole seconds to the end of the window', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const { throttles } = await openThrottles(2);
    const [throttle, other] = throttles as [LoginThrottle, LoginThrottle];
    await attempts(4, throttle);
    t.mock.timers.tick(1000);
    await attempts(6, throttle);
    for (const [ms, seconds] of [
      [0, 899],
      [1, 899],
      [WINDOW_MS - 1002, 1],
    ] as const) {
      t.mock.timers.tick(ms);
      // Known to the one, looked up by the other; and no attempt while it lasts makes it longer.
      assert.deepEqual([await attempt(throttle), await attempt(other)], [seconds, seconds]);
      assert.equal(await attempt(throttle, 'paul', HERE, succeed), seconds, 'with the right password, too');
    }
    t.mock.timers.tick(1);
    await attempts(10, other);
    assert.equal(await attempt(throttle), 900);
  });

  test('count for nobody else', async () => {
    const { throttles } = await openThrottles(1);
    const [throttle] = throttles;
    await attempts(10, throttle);
    assert.notEqual(await attempt(throttle, ' ｐａｕｌ\t', '::ffff:192.0.2.1'), 'ran', 'another form of the same');
    assert.equal(await attempt(throttle, 'Paul'), 'ran');
    assert.equal(await attempt(throttle, 'paul', '192.0.2.2'), 'ran');
  });

  test('of an IPv6 network count together', async () => {
    const { throttles } = await openThrottles(1);
    const [throttle] = throttles;
    for (let i = 0; i < 10; i++) await attempts(1, throttle, 'paul', `2001:db8::${i}`);
    assert.notEqual(await attempt(throttle, 'paul', '2001:db8::a:b:c:d'), 'ran');
    assert.equal(await attempt(throttle, 'paul', '2001:db8:0:1::1'), 'ran');
  });

  test('from one address are limited whoever they are for', async () => {
    const { throttles, countOf } = await openThrottles(2, { perUser: 10, perAddress: 20 });
    const [throttle, other] = throttles as [LoginThrottle, LoginThrottle];
    for (let i = 0; i < 20; i++) await attempts(1, throttle, `user${i}`);
    for (const one of [throttle, other, throttle, other]) {
      assert.equal(typeof (await attempt(one, 'another', HERE, succeed)), 'number');
    }
    assert.equal(await countOf('login-user'), 20, 'what is refused for its address does not count for its user');
    assert.equal(await countOf('login-address'), 20);
    assert.equal(await attempt(throttle, 'another', '192.0.2.2'), 'ran');
  });

  test('that were throttled do not use up the address', async () => {
    const { throttles, countOf } = await openThrottles(10);
    await attempts(10, throttles[0]);
    for (const throttle of [...throttles, ...throttles]) assert.equal(typeof (await attempt(throttle)), 'number');
    assert.deepEqual([await countOf('login-user'), await countOf('login-address')], [10, 10]);
  });

  test('are forgotten for a user who gets in, and the address has its point back', async () => {
    const { throttles, countOf } = await openThrottles(1);
    const [throttle] = throttles;
    await attempts(9, throttle);
    await attempts(3, throttle, 'anna');
    await attempts(1, throttle, 'paul', HERE, succeed);
    assert.deepEqual([await countOf('login-user'), await countOf('login-address')], [3, 12]);
    await attempts(10, throttle);
    assert.notEqual(await attempt(throttle), 'ran');
  });

  test('are none where the login could not be decided', async () => {
    const { throttles, countOf } = await openThrottles(1);
    const fault = new Error('the database is gone');
    await assert.rejects(
      throttles[0].logIn(HERE, 'paul', () => Promise.reject(fault)),
      fault,
    );
    assert.deepEqual([await countOf('login-user'), await countOf('login-address')], [0, 0]);
  });

  test('of which the point is given back after the window count in no later one', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const { throttles, countOf } = await openThrottles(1);
    const [throttle] = throttles;
    await attempt(throttle, 'paul', HERE, async () => {
      t.mock.timers.tick(WINDOW_MS);
      await attempts(5, throttle, 'anna');
      return { login: {} };
    });
    assert.equal(await countOf('login-address'), 5);
  });
});

suite('at once', () => {
  // What is there before: nothing; a full window that is just over; one that has a place left.
  const before: [what: string, points: number, end: number, ran: number][] = [
    ['in a new window', 0, 0, 10],
    ['as the window before ends', 10, 0, 10],
    ['for the last place', 9, 1000, 1],
    ['for none', 10, 1000, 0],
  ];
  for (const [what, points, end, expected] of before) {
    test(`fifty attempts of several processes are counted to the one: ${what}`, async (t) => {
      t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
      const { prisma, throttles, countOf } = await openThrottles(3);
      for (let i = 0; i < points; i++) await attempts(1, throttles[0]);
      const expire = new Date(Date.now() + end);
      await prisma.rateLimit.updateMany({ data: { expire } });
      let reached = 0;
      const logIn = async () => {
        reached++;
        return {};
      };
      const outcomes = await Promise.all(
        Array.from({ length: 51 }, (_, i) => attempt(throttles[i % 3] as LoginThrottle, 'paul', HERE, logIn)),
      );
      assert.equal(reached, expected);
      assert.equal(outcomes.filter((outcome) => outcome === 'ran').length, expected);
      assert.deepEqual(await Promise.all(['login-user', 'login-address'].map(countOf)), [10, 10]);
    });
  }

  test('as the window ends by the clock, no more than a window has are let through, and nothing fails', async () => {
    const { prisma, throttles } = await openThrottles(3);
    for (let round = 0; round < 4; round++) {
      const username = `user${round}`;
      await attempts(10, throttles[0], username, `192.0.2.${round}`);
      await prisma.rateLimit.updateMany({ data: { expire: new Date(Date.now() + 10) } });
      const outcomes = await Promise.all(
        Array.from({ length: 48 }, async (_, i) => {
          await new Promise((resolve) => setTimeout(resolve, i % 24));
          return attempt(throttles[i % 3] as LoginThrottle, username, `192.0.2.${round}`);
        }),
      );
      assert.ok(outcomes.filter((outcome) => outcome === 'ran').length <= 10);
    }
  });

  test('more logins than could be hashed are refused, and not counted', async () => {
    const { throttles, countOf } = await openThrottles(1, { perUser: 1000, perAddress: 1000 });
    let begun = 0;
    let begin = () => {};
    let end = () => {};
    const allBegun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const logins = Array.from({ length: MAX_HASHES }, (_, i) =>
      attempt(throttles[0], `user${i}`, HERE, async () => {
        if (++begun === MAX_HASHES) begin();
        await ended;
        return {};
      }),
    );
    await allBegun;
    await assert.rejects(attempt(throttles[0]), Unavailable);
    assert.equal(await countOf('login-address'), MAX_HASHES);
    end();
    await Promise.all(logins);
    assert.equal(await attempt(throttles[0]), 'ran');
  });
});

test('who is past the limit is refused without the database for five seconds', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const { prisma, throttles } = await openThrottles(1, { perUser: 10, perAddress: 20 });
  const [throttle] = throttles;
  await attempts(10, throttle);
  await attempts(10, throttle, 'anna');
  for (let i = 0; i < 20; i++) await throttle.register(HERE);
  const refusals = [
    () => attempt(throttle),
    () => attempt(throttle, 'another'),
    () =>
      throttle.register(HERE).then(
        () => 'ran',
        ({ retryAfter }: Throttled) => retryAfter,
      ),
  ];
  for (const refuse of refusals) assert.equal(typeof (await refuse()), 'number');
  await prisma.rateLimit.deleteMany();
  for (const refuse of refusals) assert.equal(typeof (await refuse()), 'number');
  assert.equal(await prisma.rateLimit.count(), 0);
  t.mock.timers.tick(5000);
  for (const refuse of refusals) assert.equal(await refuse(), 'ran');
});

test('attempts to register are limited by address, apart from logins', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const { throttles } = await openThrottles(2);
  const [throttle, other] = throttles as [LoginThrottle, LoginThrottle];
  await attempts(10, throttle);
  for (let i = 0; i < 20; i++) await throttle.register(HERE);
  await assert.rejects(throttle.register('::ffff:192.0.2.1'), new Throttled(3600));
  await assert.rejects(other.register(HERE), new Throttled(3600));
  await throttle.register('192.0.2.2');
  assert.equal(await attempt(throttle, 'anna'), 'ran');
  t.mock.timers.tick(60 * 60 * 1000);
  await other.register(HERE);
});

test('the table holds neither names nor addresses', async () => {
  const { prisma, throttles } = await openThrottles(1);
  await attempts(1, throttles[0], 'paul-the-user');
  await throttles[0].register(HERE);
  const rows = await prisma.rateLimit.findMany({ orderBy: { key: 'asc' } });
  assert.equal(rows.length, 3);
  for (const [i, name] of ['login-address', 'login-user', 'registration'].entries()) {
    assert.match(rows[i]?.key ?? '', new RegExp(`^${name}:[0-9a-f]{64}$`));
  }
});

test('flushexpiredtokens deletes what is over, and no more', async (t) => {
  const { prisma } = await openThrottles(1);
  const past = new Date(Date.now() - 1000);
  const future = new Date(Date.now() + WINDOW_MS);
  const flush = async () => {
    const { stdout, stderr } = await call(['flushexpiredtokens'], { directory: temporaryDirectory(t), settings });
    assert.equal(stdout, 'Expired sessions deleted: 0\n', stderr);
  };
  await prisma.rateLimit.createMany({
    data: [
      { key: 'over', points: 1, expire: past },
      { key: 'not over', points: 1, expire: future },
    ],
  });
  await flush();
  assert.deepEqual(await prisma.rateLimit.findMany(), [{ key: 'not over', points: 1, expire: future }]);
});

test('what cannot be counted does not run', async (t) => {
  const settings = await makeDatabase(t);
  const { execute } = connect(t, settings);
  await execute('DROP TABLE rate_limits');
  const broken = await openDatabase(configure(settings));
  t.after(() => broken.close());
  const throttle = createLoginThrottle(broken.prisma, LIMITS);
  let reached = false;
  const logIn = async () => {
    reached = true;
    return {};
  };
  await assert.rejects(throttle.logIn(HERE, 'paul', logIn), (error) => !(error instanceof Throttled));
  await assert.rejects(throttle.register(HERE), (error) => !(error instanceof Throttled));
  assert.equal(reached, false);
  const { throttles } = await openThrottles(1);
  assert.equal(await attempt(throttles[0]), 'ran');
});
