import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deleteExpired } from '../../src/housekeeping.ts';
import { configure, makeDatabase } from '../helper.ts';
import { insertUser, open } from './helper.ts';

test('what has expired is deleted, and nothing else', async (t) => {
  const { prisma } = await open(t);
  const { id: userId } = await insertUser({ prisma }, 'paul');
  const config = configure(await makeDatabase(t));
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000);
  const ends: [name: string, expiresAt: Date | null][] = [
    ['over', at(-1000)],
    ['to come', at(1000)],
    ['never', null],
  ];
  for (const [i, [name, expiresAt]] of ends.entries()) {
    await prisma.apiToken.create({ data: { userId, name, expiresAt, digest: String(i).repeat(64) } });
    await prisma.rateLimit.create({ data: { key: name, points: 1, expire: expiresAt } });
    if (!expiresAt) continue;
    await prisma.session.create({ data: { id: name, userId, refreshJti: 'j', expiresAt } });
    await prisma.idempotencyKey.create({
      data: { userId, key: name, fingerprint: 'f'.repeat(64), answer: '{}', expiresAt },
    });
  }
  // The access tokens of one that expired just now may live.
  await prisma.session.create({ data: { id: 'just over', userId, refreshJti: 'j', expiresAt: at(-100) } });
  assert.equal(await deleteExpired(prisma, config), 1);
  const left = {
    tokens: (await prisma.apiToken.findMany()).map(({ name }) => name).sort(),
    counts: (await prisma.rateLimit.findMany()).map(({ key }) => key).sort(),
    keys: (await prisma.idempotencyKey.findMany()).map(({ key }) => key),
    sessions: (await prisma.session.findMany()).map(({ id }) => id).sort(),
  };
  const expected = ['never', 'to come'];
  assert.deepEqual(left, { tokens: expected, counts: expected, keys: ['to come'], sessions: ['just over', 'to come'] });
});
