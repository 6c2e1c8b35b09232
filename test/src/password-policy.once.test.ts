import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { findPasswordFaults } from '../../src/password-policy.ts';
import { PASSWORD } from '../helper.ts';

const paul = { username: 'paul.mccartney', email: 'walrus@eggman-records.example' };
const SHORT = 'This password is too short. It must contain at least 8 characters.';
const NUMERIC = 'This password is entirely numeric.';
const LIKE_USERNAME = 'The password is too similar to the username.';
const LIKE_EMAIL = 'The password is too similar to the email address.';
const EASY = 'This password is too easy to guess.';

// The first, so that none is there yet.
test('the judge is loaded once for all who ask at a time, is not kept for long, and has a successor', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const workers: Worker[] = [];
  const watch = (message: unknown) => void workers.push((message as { worker: Worker }).worker);
  subscribe('worker_threads', watch);
  t.after(() => unsubscribe('worker_threads', watch));
  const judge = (password: string, count = 1) =>
    Promise.all(Array.from({ length: count }, () => findPasswordFaults(password, paul)));

  assert.deepEqual(await judge(PASSWORD, 20), Array(20).fill([]));
  assert.deepEqual(await judge('qwertyuiop'), [[EASY]]);
  for (let i = 0; i < 2; i++) {
    t.mock.timers.tick(9_999);
    assert.deepEqual(await judge(PASSWORD), [[]]);
  }
  assert.equal(workers.length, 1);
  const exit = once(workers[0] as Worker, 'exit');
  t.mock.timers.tick(10_000);
  assert.deepEqual(await judge(PASSWORD), [[]], 'as the first goes');
  await exit;
  assert.equal(workers.length, 2);

  const question = judge(PASSWORD);
  await workers[1]?.terminate();
  await assert.rejects(question, { name: 'AbortError' });
  assert.deepEqual(await judge(PASSWORD), [[]]);
  assert.equal(workers.length, 3);
});

suite('a password', { concurrency: 2 }, () => {
  const cases: [name: string, password: string, faults: string[]][] = [
    ['that is good', PASSWORD, []],
    ['that is blank', '', [SHORT]],
    ['of 7 characters', 'kq8!Zr$', [SHORT]],
    ['of 8 characters', 'password', [EASY]],
    ['of 9 characters at random', 'kq8!Zr$wX', []],
    ['of 7 characters of two units each', '😀🦊🌵🚲🧦🎈🪣', [SHORT]],
    ['of digits', '8305719264058317', [NUMERIC]],
    ['of digits of another script', '٨٣٠٥٧١٩٢٦٤٠٥٨٣١٧', [NUMERIC]],
    ['of few digits', '1234567', [SHORT, NUMERIC]],
    ['that is the username', 'paul.mccartney', [LIKE_USERNAME]],
    ['that is the username in capitals', 'PAUL.McCartney', [LIKE_USERNAME]],
    ['that is the username in wide letters', 'ｍｃｃａｒｔｎｅｙ', [LIKE_USERNAME]],
    ['that is a part of the username, and little more', 'mccartney-64', [LIKE_USERNAME]],
    ['that is the e-mail address', 'walrus@eggman-records.example', [LIKE_EMAIL]],
    ['that is a part of the e-mail address', 'eggman-records', [LIKE_EMAIL]],
    ['from the keyboard', 'qwertyuiop', [EASY]],
    ['of one letter', 'aaaaaaaaaaaaaaaa', [EASY]],
    ['that is weak in its first 64 characters', 'a'.repeat(64) + PASSWORD, [EASY]],
    ['of 5000 characters', `${PASSWORD} ${'brown fox over lazy dogs '.repeat(199)}`.padEnd(5000, '.'), []],
  ];
  for (const [name, password, faults] of cases) {
    test(name, async () => assert.deepEqual(await findPasswordFaults(password, paul), faults));
  }

  test('is like nothing where there is no e-mail address', async () => {
    assert.deepEqual(await findPasswordFaults(PASSWORD, { username: 'paul', email: '' }), []);
  });

  test('may hold a short name among much else', async () => {
    assert.deepEqual(await findPasswordFaults(`paul ${PASSWORD}`, { username: 'paul', email: '' }), []);
  });
});
