import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { build, isOnPostgresql, PASSWORD, until } from '../helper.ts';
import { connect } from '../src/helper.ts';

import { assertThrottled, attempt, buildWithUser, failThrice, on } from './helper-login-throttle.ts';

suite('failed logins', () => {
  test('at once, at two processes: so many reach the hashing, and no more', async (t) => {
    const service = await buildWithUser(t, { ...on, LOGIN_FAILURES_PER_USER: '10' });
    const { DATABASE_URL } = service.app.config;
    const other = await build(t, { ...on, LOGIN_FAILURES_PER_USER: '10', DATABASE_URL });
    const attempts = Array.from({ length: 30 }, (_, i) => attempt(i % 2 ? service : other));
    const answers = await Promise.all(attempts);
    assert.equal(answers.filter(({ status }) => status === 400).length, 10);
    for (const answer of answers.filter(({ status }) => status !== 400)) assertThrottled(answer);
  });

  test('count across processes and a restart, until the window ends', async (t) => {
    const service = await buildWithUser(t);
    const { DATABASE_URL } = service.app.config;
    await failThrice(service);
    const other = await build(t, { ...on, DATABASE_URL });
    assertThrottled(await attempt(other, { password: PASSWORD }));
    await other.app.close();
    await service.app.close();
    const next = await build(t, { ...on, DATABASE_URL });
    await next.app.prisma.rateLimit.updateMany({ data: { expire: new Date(Date.now() + 500_000) } });
    const answer = await attempt(next, { password: PASSWORD });
    assertThrottled(answer);
    assert.ok(Number(answer.headers['retry-after']) <= 500);
    const last = await build(t, { ...on, DATABASE_URL });
    await last.app.prisma.rateLimit.updateMany({ data: { expire: new Date() } });
    assert.equal((await attempt(last, { password: PASSWORD })).status, 200);
  });

  test('that cannot be counted are 503, and so is the right password', async (t) => {
    const service = await buildWithUser(t, { ...on, DATABASE_TIMEOUT: '500' });
    const { execute } = connect(t, service.app.config as never);
    await execute(isOnPostgresql ? 'BEGIN; LOCK TABLE rate_limits IN ACCESS EXCLUSIVE MODE' : 'BEGIN IMMEDIATE');
    for (const password of ['wrong', PASSWORD]) {
      const answer = await attempt(service, { password });
      assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '1'], answer.text);
    }
    await execute('ROLLBACK');
    assert.equal((await attempt(service, { password: PASSWORD })).status, 200);
  });
});

test('counts that are over are deleted every minute', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const service = await buildWithUser(t);
  const { rateLimit } = service.app.prisma;
  await rateLimit.create({ data: { key: 'over', points: 1, expire: new Date() } });
  t.mock.timers.tick(59_999);
  assert.equal(await rateLimit.count(), 1);
  t.mock.timers.tick(1);
  await until('the count is gone', async () => (await rateLimit.count()) === 0);
});
