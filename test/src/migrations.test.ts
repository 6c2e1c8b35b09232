import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type Sqlite from 'better-sqlite3';
import type { Pool } from 'pg';
import { MigrationError, openDatabase } from '../../src/database/index.ts';
import { findNextMigration, readMigrations } from '../../src/database/migrations.ts';
import { migratePostgresql } from '../../src/database/postgresql.ts';
import { migrateSqlite } from '../../src/database/sqlite.ts';
import { packagePath } from '../../src/package.ts';
import { configure, isOnPostgresql, makeDatabase, temporaryDirectory } from '../helper.ts';
import { call, connect, makeEmptyDatabase, type Raw, run } from './helper.ts';

const PROVIDER = isOnPostgresql ? 'postgresql' : 'sqlite';
const COMMITTED = packagePath(`prisma/migrations/${PROVIDER}`);
const NAMES = readdirSync(COMMITTED, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

const FIRST = 'CREATE TABLE one (id INTEGER PRIMARY KEY);';
const SECOND = 'CREATE TABLE two (id INTEGER PRIMARY KEY); INSERT INTO two VALUES (2);';

const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');
const migration = ([name, sql]: [string, string]) => ({ name, sql, checksum: sha256(sql) });

interface Stage extends Raw {
  /** Applies these migrations, SQL by name, and no others. */
  apply(migrations: Record<string, string>): Promise<string[]>;
  /** The names of the tables. */
  tables(): Promise<string[]>;
}

/** The runner of this run's provider, on a database with nothing in it. */
async function setUp(t: TestContext): Promise<Stage> {
  const raw = connect(t, await makeEmptyDatabase(t));
  const tables = isOnPostgresql
    ? "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    : "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
  return {
    ...raw,
    async apply(files) {
      const migrations = Object.entries(files).map(migration);
      return isOnPostgresql
        ? migratePostgresql(raw.connection as Pool, migrations)
        : migrateSqlite(raw.connection as Sqlite.Database, migrations);
    },
    tables: async () => (await raw.select(tables)).map(({ name }) => name),
  };
}

test('a new database gets the committed migrations, once', async (t) => {
  const config = configure(await makeEmptyDatabase(t));
  for (const expected of [NAMES, []]) {
    const { migrated, close } = await openDatabase(config, { migrate: true });
    await close();
    assert.deepEqual(migrated, expected);
  }
});

test('both providers have migrations of the same names', () => {
  const names = (['sqlite', 'postgresql'] as const).map((provider) => readMigrations(provider).map(({ name }) => name));
  assert.deepEqual(names[0], names[1]);
  assert.deepEqual(names[isOnPostgresql ? 1 : 0], NAMES);
});

suite('PostgreSQL is brought to this version by `migrate` alone', {
  skip: !isOnPostgresql && 'SQLite is on opening',
}, () => {
  const lacking = new MigrationError(`The database lacks migration ${NAMES[0]}. Run: npx todo-api migrate`);

  test('and not by opening it, which leaves it as it was', async (t) => {
    const settings = await makeEmptyDatabase(t);
    await assert.rejects(openDatabase(configure(settings)), lacking);
    const { select } = connect(t, settings);
    assert.deepEqual(await select("SELECT FROM pg_tables WHERE schemaname = 'public'"), []);
  });

  test('also where its migrations were all rolled back', async (t) => {
    const settings = await makeDatabase(t);
    await connect(t, settings).execute('UPDATE _prisma_migrations SET rolled_back_at = now()');
    await assert.rejects(openDatabase(configure(settings)), lacking);
  });
});

suite("Prisma's own table", () => {
  test('has its columns', async (t) => {
    const { apply, select } = await setUp(t);
    await apply({});
    // As the schema engine makes them.
    if (isOnPostgresql) {
      const columns = await select(`SELECT column_name, udt_name, character_maximum_length, is_nullable, column_default
        FROM information_schema.columns WHERE table_name = '_prisma_migrations' ORDER BY ordinal_position`);
      assert.deepEqual(
        columns.map((column) => Object.values(column)),
        [
          ['id', 'varchar', 36, 'NO', null],
          ['checksum', 'varchar', 64, 'NO', null],
          ['finished_at', 'timestamptz', null, 'YES', null],
          ['migration_name', 'varchar', 255, 'NO', null],
          ['logs', 'text', null, 'YES', null],
          ['rolled_back_at', 'timestamptz', null, 'YES', null],
          ['started_at', 'timestamptz', null, 'NO', 'now()'],
          ['applied_steps_count', 'int4', null, 'NO', '0'],
        ],
      );
      return;
    }
    const columns = await select('PRAGMA table_info(_prisma_migrations)');
    assert.deepEqual(
      columns.map(({ name, type, notnull, dflt_value, pk }) => [name, type, notnull, dflt_value, pk]),
      [
        ['id', 'TEXT', 1, null, 1],
        ['checksum', 'TEXT', 1, null, 0],
        ['finished_at', 'DATETIME', 0, null, 0],
        ['migration_name', 'TEXT', 1, null, 0],
        ['logs', 'TEXT', 0, null, 0],
        ['rolled_back_at', 'DATETIME', 0, null, 0],
        ['started_at', 'DATETIME', 1, 'current_timestamp', 0],
        ['applied_steps_count', 'INTEGER UNSIGNED', 1, '0', 0],
      ],
    );
  });

  test('has a row for each migration, with the SHA-256 of its file', async (t) => {
    const { select } = connect(t, await makeDatabase(t));
    const rows = await select('SELECT * FROM _prisma_migrations ORDER BY migration_name');
    assert.deepEqual(
      rows.map(({ id, started_at, finished_at, ...row }) => row),
      NAMES.map((name) => ({
        migration_name: name,
        checksum: sha256(readFileSync(join(COMMITTED, name, 'migration.sql'))),
        logs: null,
        rolled_back_at: null,
        applied_steps_count: 1,
      })),
    );
    for (const { id, started_at, finished_at } of rows) {
      assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      // SQLite has them as milliseconds since 1970, as Prisma writes them.
      assert.equal(typeof started_at, isOnPostgresql ? 'object' : 'number');
      assert.ok(Math.abs(Date.now() - started_at) < 3_600_000);
      assert.ok(finished_at >= started_at);
    }
  });
});

suite('the next migration', () => {
  const [first, second] = [migration(['1_first', FIRST]), migration(['2_second', SECOND])];
  const applied = ({ name, checksum }: typeof first, finished_at: unknown = 1) => ({
    migration_name: name,
    checksum,
    finished_at,
  });

  test('is the first that was not applied', () => {
    assert.equal(findNextMigration([first, second], []), first);
    assert.equal(findNextMigration([first, second], [applied(first)]), second);
    assert.equal(findNextMigration([first, second], [applied(first), applied(second)]), undefined);
    assert.equal(findNextMigration([], []), undefined);
  });

  test('is none where the database is of another version', () => {
    const wrong: [Parameters<typeof findNextMigration>, string][] = [
      [[[first], [applied(first), applied(second)]], 'The database has migration 2_second, which'],
      [[[first, second], [applied(second)]], 'Migration 1_first comes before 2_second, which is applied already.'],
      [[[], [applied(first)]], 'The database has migration 1_first, which'],
      [[[{ ...first, checksum: 'x' }, second], [applied(first)]], 'Migration 1_first was changed'],
      [[[first, second], [applied(first, null)]], 'Migration 1_first was begun and not finished.'],
    ];
    for (const [args, message] of wrong) {
      assert.throws(
        () => findNextMigration(...args),
        (error) => error instanceof MigrationError && error.message.startsWith(message),
        message,
      );
    }
  });
});

test('only what is new is applied, in order', async (t) => {
  const { apply, tables } = await setUp(t);
  assert.deepEqual(await apply({ '1_first': FIRST }), ['1_first']);
  assert.deepEqual(await apply({ '1_first': FIRST, '2_second': SECOND, '3_third': 'DROP TABLE two;' }), [
    '2_second',
    '3_third',
  ]);
  assert.deepEqual(await tables(), ['_prisma_migrations', 'one']);
});

suite('a database of another version is refused, and not touched', () => {
  const newer = `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
    SELECT 'x', 'x', '9_newer', finished_at FROM _prisma_migrations`;
  const cases: [name: string, spoil: string, files: Record<string, string>, message: string][] = [
    [
      'where an applied migration was changed',
      '',
      { '1_first': `${FIRST} `, '2_second': SECOND },
      'Migration 1_first was changed after it had been applied to the database.',
    ],
    [
      'where it has a newer migration',
      newer,
      { '1_first': FIRST },
      'The database has migration 9_newer, which this version of the service does not know.',
    ],
    [
      'where a migration came between those that were applied',
      newer,
      { '1_first': FIRST, '2_second': SECOND, '9_newer': '' },
      'Migration 2_second comes before 9_newer, which is applied already. Give it a later time.',
    ],
    [
      'where a migration was begun and not finished',
      'UPDATE _prisma_migrations SET finished_at = NULL',
      { '1_first': FIRST, '2_second': SECOND },
      'Migration 1_first was begun and not finished.',
    ],
  ];
  for (const [name, spoil, files, message] of cases) {
    test(name, async (t) => {
      const { execute, apply, tables } = await setUp(t);
      await apply({ '1_first': FIRST });
      await execute(spoil);
      await assert.rejects(apply(files), new MigrationError(message));
      assert.deepEqual(await tables(), ['_prisma_migrations', 'one']);
    });
  }
});

test('a migration that was marked as rolled back is applied again', async (t) => {
  const { execute, apply } = await setUp(t);
  await apply({ '1_first': FIRST });
  await execute('UPDATE _prisma_migrations SET rolled_back_at = started_at; DROP TABLE one;');
  assert.deepEqual(await apply({ '1_first': FIRST }), ['1_first']);
});

suite('a migration that fails', () => {
  const BAD = `${SECOND} INSERT INTO nowhere VALUES (1);`;
  const NOWHERE = /no such table: nowhere|relation "nowhere" does not exist/;

  test('leaves nothing', async (t) => {
    const { apply, tables } = await setUp(t);
    await assert.rejects(apply({ '1_bad': BAD }), NOWHERE);
    assert.deepEqual(await tables(), []);
  });

  test('leaves those before it, and is applied when it was mended', async (t) => {
    const { apply, tables } = await setUp(t);
    await assert.rejects(apply({ '1_first': FIRST, '2_second': BAD }), NOWHERE);
    assert.deepEqual(await tables(), ['_prisma_migrations', 'one']);
    assert.deepEqual(await apply({ '1_first': FIRST, '2_second': SECOND }), ['2_second']);
  });
});

suite('a table that is made anew, as Prisma writes it', { skip: isOnPostgresql && 'only SQLite needs it' }, () => {
  const first = `CREATE TABLE "users" ("id" INTEGER NOT NULL PRIMARY KEY);
    CREATE TABLE "todos" (
      "id" INTEGER NOT NULL PRIMARY KEY, "owner_id" INTEGER NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE);
    INSERT INTO "users" VALUES (1);
    INSERT INTO "todos" VALUES (7, 1);`;
  const anew = (rows: string) => `PRAGMA defer_foreign_keys=ON;
    PRAGMA foreign_keys=OFF;
    CREATE TABLE "new_users" ("id" INTEGER NOT NULL PRIMARY KEY, "email" TEXT NOT NULL DEFAULT '');
    INSERT INTO "new_users" ("id") SELECT "id" FROM "users" WHERE ${rows};
    DROP TABLE "users";
    ALTER TABLE "new_users" RENAME TO "users";
    PRAGMA foreign_keys=ON;
    PRAGMA defer_foreign_keys=OFF;`;

  test('keeps the rows that refer to it', async (t) => {
    const { execute, select, apply } = await setUp(t);
    await apply({ '1_first': first, '2_second': anew('true') });
    assert.deepEqual(await select('SELECT * FROM users'), [{ id: 1, email: '' }]);
    assert.deepEqual(await select('SELECT * FROM todos'), [{ id: 7, owner_id: 1 }]);
    await assert.rejects(execute('INSERT INTO todos VALUES (8, 2)'), { code: 'SQLITE_CONSTRAINT_FOREIGNKEY' });
  });

  test('is not taken where rows would refer to what is gone', async (t) => {
    const { select, apply } = await setUp(t);
    const message = 'Migration 2_second would leave rows that refer to none.';
    await assert.rejects(apply({ '1_first': first, '2_second': anew('false') }), new MigrationError(message));
    assert.deepEqual(await select('SELECT * FROM users'), [{ id: 1 }]);
    assert.deepEqual(await select('SELECT * FROM todos'), [{ id: 7, owner_id: 1 }]);
  });
});

test('of processes that start at once on one new database, each migration is applied by one', async (t) => {
  const options = { directory: temporaryDirectory(t), settings: await makeEmptyDatabase(t) };
  const runs = await Promise.all(Array.from({ length: 3 }, () => run(['migrate'], options)));
  const applied = NAMES.map((name) => `Applied ${name}\n`).join('');
  assert.deepEqual(
    runs.map(({ stderr, code }) => ({ stderr, code })),
    runs.map(() => ({ stderr: '', code: 0 })),
  );
  const lines = runs.flatMap(({ stdout }) => stdout.match(/Applied .*\n/g) ?? []);
  assert.equal(lines.sort().join(''), applied);
  for (const { stdout } of runs) assert.match(stdout, /^(No migrations to apply\.|Applied \w+(\nApplied \w+)*)\n$/);
});

test('the committed migrations are read from the package, wherever the service is started', async (t) => {
  const directory = temporaryDirectory(t);
  cpSync(COMMITTED, join(directory, 'prisma/migrations', PROVIDER), { recursive: true });
  mkdirSync(join(directory, 'prisma/migrations', PROVIDER, '99999999999999_strange'));
  const { stdout, code } = await call(['migrate'], { directory, settings: await makeEmptyDatabase(t) });
  assert.deepEqual({ stdout, code }, { stdout: NAMES.map((name) => `Applied ${name}\n`).join(''), code: 0 });
});
