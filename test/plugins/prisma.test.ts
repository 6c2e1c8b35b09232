import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Fastify from 'fastify';
import prisma from '../../plugins/prisma.ts';
import { databasePath } from '../../src/database/index.ts';
import { temporaryDirectory } from '../helper.ts';
import { serve } from './helper-app.ts';

test('opens a database, brought to this version, and logs what it applied', async (t) => {
  const service = await serve(t, [prisma]);
  assert.equal(await service.app.prisma.todo.count(), 0);
  const applied = service.logs.filter(({ msg }) => msg === 'migration applied');
  assert.ok(applied.length > 0);
  for (const { migration } of applied) assert.match(migration, /^\d{14}_/);
});

test('a database that is there already is opened as it is, and closed with the app', async (t) => {
  const DATABASE_URL = `file:${join(temporaryDirectory(t), 'deep', 'todo.db')}`;
  for (const users of [0, 1]) {
    const service = await serve(t, [prisma], () => {}, { DATABASE_URL });
    assert.equal(await service.app.prisma.user.count(), users);
    assert.equal(service.logs.filter(({ msg }) => msg === 'migration applied').length > 0, users === 0);
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
