import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../helper.ts';

test('GET /healthz answers while the process lives, and asks nobody', async (t) => {
  const service = await build(t);
  for (const path of ['/healthz', '/healthz/']) {
    const answer = await service.send('GET', path, { authorization: 'Token x' });
    assert.deepEqual([answer.status, answer.body], [200, { status: 'ok' }]);
  }
  service.app.isDraining = true;
  await service.app.prisma.$disconnect();
  assert.equal((await service.send('GET', '/healthz')).status, 200);
  assert.equal((await service.send('HEAD', '/healthz')).status, 200);
});
