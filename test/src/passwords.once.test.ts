import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ClientGone, Unavailable } from '../../src/errors.ts';
import { hashPassword, MAX_HASHES, needsRehash, verifyPassword } from '../../src/passwords.ts';

test('a password is kept as argon2id in PHC form, salted', async () => {
  const [one, other] = await Promise.all([hashPassword('pass word'), hashPassword('pass word')]);
  assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  assert.notEqual(one, other);
});

test('a password is taken as it is', async () => {
  const password = ` é${'x'.repeat(100)}1`;
  const hash = await hashPassword(password);
  const answers = await Promise.all([
    verifyPassword(hash, password),
    verifyPassword(hash, password.trim()),
    verifyPassword(hash, password.normalize('NFD')),
    verifyPassword(hash, password.toUpperCase()),
    verifyPassword(hash, `${password.slice(0, -1)}2`),
    verifyPassword(hash, ''),
  ]);
  assert.deepEqual(answers, [true, false, false, false, false, false]);
});

test('what is no hash is the hash of no password', async () => {
  for (const hash of ['', 'none', '$argon2id$', 'pbkdf2_sha256$600000$salt$hash']) {
    assert.equal(await verifyPassword(hash, 'pass word'), false, hash);
  }
});

test('without a hash the answer is no, for the same work', async () => {
  const hash = await hashPassword('pass word');
  await verifyPassword(undefined, 'pass word');
  const wrong = await jobsOf(() => verifyPassword(hash, 'wrong'));
  const unknown = await jobsOf(() => verifyPassword(undefined, 'wrong'));
  assert.deepEqual(wrong, { answer: false, jobs: 1 });
  assert.deepEqual(unknown, { answer: false, jobs: 1 });
});

test('a hundred wait for their turn, of known users and unknown alike, and more are refused at once', async () => {
  assert.equal(MAX_HASHES, Math.max(1, Math.min(availableParallelism() - 1, 3)) + 100);
  const hash = await hashPassword('pass word');
  let over = 0;
  // Of those that wait most are given up meanwhile, and cost no hash.
  const isAwaited = (i: number) => i < 5 || i >= MAX_HASHES - 2;
  const waiting = Array.from({ length: MAX_HASHES }, (_, i) =>
    verifyPassword(i % 2 ? hash : undefined, 'wrong', () => isAwaited(i)).finally(() => over++),
  );
  await assert.rejects(verifyPassword(hash, 'pass word'), Unavailable);
  await assert.rejects(verifyPassword(undefined, 'pass word'), Unavailable);
  await assert.rejects(hashPassword('pass word'), Unavailable);
  assert.equal(over, 0);
  for (const [i, outcome] of (await Promise.allSettled(waiting)).entries()) {
    if (outcome.status === 'fulfilled') assert.deepEqual([outcome.value, isAwaited(i)], [false, true]);
    else assert.ok(outcome.reason instanceof ClientGone && !isAwaited(i));
  }
  assert.equal(await verifyPassword(hash, 'pass word'), true);
});

test('what nobody waits for any more is not hashed', async () => {
  const hash = await hashPassword('pass word');
  let isAwaited = true;
  const ahead = Array.from({ length: MAX_HASHES - 100 }, () => verifyPassword(hash, 'pass word'));
  await setImmediate();
  const jobs = await jobsOf(async () => {
    const waiting = [
      verifyPassword(hash, 'wrong', () => isAwaited),
      verifyPassword(undefined, 'wrong', () => isAwaited),
    ];
    isAwaited = false;
    for (const outcome of await Promise.allSettled(waiting)) {
      assert.ok((outcome as PromiseRejectedResult).reason instanceof ClientGone);
    }
    return false;
  });
  assert.equal(jobs.jobs, 0);
  assert.ok((await Promise.all(ahead)).every(Boolean));
});

test("a hash of other parameters than today's is to be renewed", () => {
  const rest = '$c29tZXNhbHRzb21lc2FsdA$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY';
  const cases: [string, boolean][] = [
    ['$argon2id$v=19$m=19456,t=2,p=1', false],
    ['$argon2id$v=19$m=4096,t=2,p=1', true],
    ['$argon2id$v=19$m=19456,t=3,p=1', true],
    ['$argon2id$v=19$m=19456,t=2,p=4', true],
    ['$argon2i$v=19$m=19456,t=2,p=1', true],
    ['$argon2id$v=16$m=19456,t=2,p=1', true],
  ];
  for (const [parameters, expected] of cases) assert.equal(needsRehash(parameters + rest), expected, parameters);
});

const NO_JOBS = ['PROMISE', 'TickObject', 'Timeout', 'Immediate', 'Microtask'];

/** The answer of an action, and how many jobs it gave to native code. */
async function jobsOf<Answer>(action: () => Promise<Answer>): Promise<{ answer: Answer; jobs: number }> {
  let jobs = 0;
  const hook = createHook({
    init: (_id, type) => {
      if (!NO_JOBS.includes(type)) jobs++;
    },
  }).enable();
  const answer = await action().finally(() => hook.disable());
  return { answer, jobs };
}
