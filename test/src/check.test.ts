import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, mock, suite, type TestContext, test } from 'node:test';
import { SERVER_CHECKS } from '../../src/checks/database.ts';
import type { Finding } from '../../src/checks/finding.ts';
import { databasePath, openDatabase } from '../../src/database/index.ts';
import type { View } from '../../src/database/read-only.ts';
import { configure, isOnPostgresql, temporaryDirectory } from '../helper.ts';
import { freePort } from '../ports.ts';
import { call, connect, makeEmptyDatabase } from './helper.ts';

import {
  DATABASE_PASSWORD,
  DAY,
  type Expected,
  elsewhere,
  expect,
  makeClean,
  type Settings,
  write,
} from './helper-check.ts';

const ON_SQLITE = { skip: isOnPostgresql && 'this run is on PostgreSQL' };
const ON_POSTGRESQL = { skip: !isOnPostgresql && 'this run is on SQLite' };

const system = process as { getuid(): number };
let clean: Settings;
before(async (t) => {
  // Builds in containers often run as root, which is a finding.
  mock.method(system, 'getuid', () => 1000);
  clean = await makeClean(t as TestContext);
});

suite('the database', () => {
  /** A database and its administrator's connection; the check runs as another. */
  async function setUp(t: TestContext) {
    const settings = await makeClean(t);
    const administrator = new URL(settings.DATABASE_URL as string);
    if (isOnPostgresql) {
      const { username, password } = new URL(process.env.TEST_DATABASE_URL as string);
      Object.assign(administrator, { username, password });
    }
    const raw = connect(t, isOnPostgresql ? { DATABASE_URL: administrator.href } : settings);
    const found = (...expected: Expected[]) => expect(temporaryDirectory(t), settings, expected);
    return { settings, administrator, raw, found };
  }

  test('without an active superuser', async (t) => {
    const { raw, found } = await setUp(t);
    await raw.execute('UPDATE users SET is_active = false');
    await found(['warning', 'users', /no active superuser/]);
    await raw.execute('UPDATE users SET is_active = true, is_superuser = false');
    await found(['warning', 'users', /no active superuser/]);
    await raw.execute('DELETE FROM users');
    await found(['warning', 'users', /no active superuser/]);
  });

  test('with tokens that nobody uses', async (t) => {
    const { settings, administrator, found } = await setUp(t);
    const url = isOnPostgresql ? administrator.href : (settings.DATABASE_URL as string);
    const { prisma, close } = await openDatabase(configure({ DATABASE_URL: url }));
    const { id: userId } = await prisma.user.findFirstOrThrow();
    const daysAgo = (days: number) => new Date(Date.now() - days * DAY * 1000);
    const tokens = [
      { createdAt: daysAgo(366) },
      { createdAt: daysAgo(800), lastUsedAt: daysAgo(366) },
      { createdAt: daysAgo(364) },
      { createdAt: daysAgo(800), lastUsedAt: daysAgo(364) },
      { createdAt: daysAgo(800), expiresAt: daysAgo(-1) },
    ];
    const data = tokens.map((token, index) => ({
      userId,
      name: `${index}`,
      digest: randomBytes(32).toString('hex'),
      ...token,
    }));
    await prisma.apiToken.createMany({ data });
    await close();
    await found(['warning', 'API tokens', /for a year: 2\./]);
  });

  test('that lacks migrations', async (t) => {
    const { raw, found } = await setUp(t);
    const [{ name }] = await raw.select('SELECT max(migration_name) AS name FROM _prisma_migrations');
    await raw.execute(`DELETE FROM _prisma_migrations WHERE migration_name = '${name}'`);
    await found(['error', 'DATABASE_URL', new RegExp(`lacks migration ${name}`)]);
  });

  test('of a newer version', async (t) => {
    const { raw, found } = await setUp(t);
    await raw.execute("INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', '9_x')");
    await found(['error', 'DATABASE_URL', /has migration 9_x, which this version/]);
  });

  test('that is not there yet', ON_SQLITE, async (t) => {
    const directory = temporaryDirectory(t);
    for (const url of ['file:todo.db', 'file:data/todo.db']) {
      const settings = { ...clean, DATABASE_URL: url, SECRET_KEY: '' };
      await expect(directory, settings, [['warning', 'DATABASE_URL', /does not exist yet/]]);
    }
    assert.deepEqual(readdirSync(directory), []);
  });

  test('that is none', ON_SQLITE, async (t) => {
    const directory = temporaryDirectory(t);
    mkdirSync(join(directory, 'directory.db'));
    writeFileSync(join(directory, 'text.db'), 'Dear diary, '.repeat(1000));
    const expected = {
      'directory.db': /cannot be used: unable to open/,
      'text.db': /cannot be used: .*not a database/,
    };
    for (const [name, message] of Object.entries(expected)) {
      await expect(directory, { ...clean, DATABASE_URL: `file:${name}` }, [['error', 'DATABASE_URL', message]]);
    }
  });

  test('that is empty', async (t) => {
    const settings: Settings = { ...clean, ...(await makeEmptyDatabase(t)) };
    if (!isOnPostgresql) write(databasePath(settings.DATABASE_URL as string), '', 0o600);
    const superuser: Expected = ['warning', 'DATABASE_URL', /superuser of PostgreSQL/];
    const lacking: Expected = ['error', 'DATABASE_URL', /lacks migration/];
    await expect(temporaryDirectory(t), settings, isOnPostgresql ? [lacking, superuser] : [lacking]);
    const raw = connect(t, settings);
    const tables = isOnPostgresql ? "pg_tables WHERE schemaname = 'public'" : 'sqlite_master';
    assert.deepEqual(await raw.select(`SELECT * FROM ${tables}`), []);
  });

  test('that is not reached', async (t) => {
    const DATABASE_URL = `postgresql://todo:${DATABASE_PASSWORD}@localhost:${await freePort()}/todo`;
    const expected: Expected = ['error', 'DATABASE_URL', /cannot be used: .*ECONNREFUSED/];
    const { stdout } = await expect(temporaryDirectory(t), { ...clean, DATABASE_URL }, [expected]);
    assert.ok(!stdout.includes(DATABASE_PASSWORD));
  });

  test('that refuses the password', ON_POSTGRESQL, async (t) => {
    const { settings } = await setUp(t);
    const url = new URL(settings.DATABASE_URL as string);
    url.password = 'hunter2';
    const expected: Expected = ['error', 'DATABASE_URL', /cannot be used: password authentication failed/];
    const { stdout } = await expect(temporaryDirectory(t), { ...settings, DATABASE_URL: url.href }, [expected]);
    assert.ok(!stdout.includes('hunter2'));
  });

  test('that the service owns with all others of its server', ON_POSTGRESQL, async (t) => {
    const { settings, administrator } = await setUp(t);
    const expected: Expected = ['warning', 'DATABASE_URL', /superuser of PostgreSQL/];
    await expect(temporaryDirectory(t), { ...settings, DATABASE_URL: administrator.href }, [expected]);
  });
});

test('a pooler that asks PostgreSQL in the clear is found', async () => {
  const config = configure({ DATABASE_URL: elsewhere('?sslmode=verify-full') });
  const find = async (ssl: boolean) => {
    const view = { select: async () => [{ ssl }] } as unknown as View;
    const findings: Finding[] = [];
    for (const check of SERVER_CHECKS) for await (const finding of check(view, config)) findings.push(finding);
    return findings.map(({ level, message }) => [level, /something between/.test(message)]);
  };
  assert.deepEqual(await find(false), [['warning', true]]);
  assert.deepEqual(await find(true), []);
});

suite('nothing is made or changed', () => {
  const look = (directory: string) =>
    readdirSync(directory).map((name) => {
      const { mtimeMs, mode } = statSync(join(directory, name));
      return [name, mtimeMs, mode, readFileSync(join(directory, name), 'base64')];
    });

  test('in a directory that is empty', async (t) => {
    const directory = temporaryDirectory(t);
    await call(['check'], { directory, settings: { SECRET_KEY: '', DATABASE_URL: '' } });
    assert.deepEqual(readdirSync(directory), []);
  });

  test('beside a database at rest', ON_SQLITE, async (t) => {
    const settings = await makeClean(t);
    const directory = dirname(databasePath(settings.DATABASE_URL as string));
    const files = look(directory);
    await expect(directory, { ...settings, SECRET_KEY: '' }, []);
    assert.deepEqual(look(directory), files);
    assert.equal(files.length, 1);
  });

  test('in a database that is in use', async (t) => {
    const settings = await makeClean(t);
    const directory = isOnPostgresql ? temporaryDirectory(t) : dirname(databasePath(settings.DATABASE_URL as string));
    const raw = connect(t, settings);
    // A commit that is still in the log of writes.
    if (!isOnPostgresql) await raw.execute('UPDATE users SET is_superuser = false');
    const files = () => look(directory).filter(([name]) => !String(name).endsWith('-shm'));
    const before = files();
    await expect(directory, settings, isOnPostgresql ? [] : [['warning', 'users', /no active superuser/]]);
    assert.deepEqual(files(), before);
  });
});
