import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Fastify from 'fastify';
import prisma from '../../plugins/prisma.ts';
import { databasePath } from '../../src/database/index.ts';
import { temporaryDirectory } from '../helper.ts';
import { serve } from './helper-app.ts';

test('a SQLite file is made and brought to this version, is there as it was the next time, and closed with the app', async (t) => {
  const DATABASE_URL = `file:${join(temporaryDirectory(t), 'deep', 'todo.db')}`;
  for (const users of [0, 1]) {
    const service = await serve(t, [prisma], () => {}, { DATABASE_URL });
    assert.equal(await service.app.prisma.user.count(), users);
    const applied = service.logs.filter(({ msg }) => msg === 'migration applied');
    assert.equal(applied.length > 0, users === 0);
    for (const { migration } of applied) assert.match(migration, /^\d{14}_/);
    await service.app.prisma.user.create({ data: { username: `user${users}`, password: 'x' } });
    await service.app.close();
    const path = databasePath(DATABASE_URL);
    assert.deepEqual([existsSync(path), existsSync(`${path}-wal`)], [true, false]);
  }
});

test('the app does not start without its database', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  app.decorate('config', { DATABASE_URL: `file:${temporaryDirectory(t)}` } as never);
  app.register(prisma);
  await assert.rejects(async () => app.ready());
});
