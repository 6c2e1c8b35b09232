import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import Sqlite from 'better-sqlite3';
import { MigrationError, openDatabase } from '../../src/database/index.ts';
import { migrate } from '../../src/database/migrate.ts';
import { packagePath } from '../../src/package.ts';
import { temporaryDirectory } from '../helper.ts';
import { open, run } from './helper.ts';

const COMMITTED = packagePath('prisma/migrations/sqlite');
const NAMES = readdirSync(COMMITTED, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

const FIRST = 'CREATE TABLE one (id INTEGER PRIMARY KEY);';
const SECOND = 'CREATE TABLE two (id INTEGER PRIMARY KEY); INSERT INTO two VALUES (2);';

interface Stage {
  database: Sqlite.Database;
  /** Applies these migrations, SQL by name, and no others. */
  apply(migrations: Record<string, string>): string[];
  /** The names of the tables. */
  tables(): string[];
}

function setUp(t: TestContext): Stage {
  const directory = temporaryDirectory(t);
  const database = new Sqlite(join(directory, 'todo.db'));
  t.after(() => database.close());
  const migrations = join(directory, 'migrations');
  return {
    database,
    apply(files) {
      rmSync(migrations, { recursive: true, force: true });
      mkdirSync(migrations);
      writeFileSync(join(migrations, 'migration_lock.toml'), 'provider = "sqlite"\n');
      for (const [name, sql] of Object.entries(files)) {
        mkdirSync(join(migrations, name));
        writeFileSync(join(migrations, name, 'migration.sql'), sql);
      }
      return migrate(database, migrations);
    },
    tables: () =>
      database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all() as string[],
  };
}

test('a new database gets the committed migrations, once', async (t) => {
  const { path, migrated, close } = open(t);
  assert.deepEqual(migrated, NAMES);
  await close();
  const again = openDatabase(`file:${path}`);
  t.after(() => again.close());
  assert.deepEqual(again.migrated, []);
});

suite("Prisma's own table", () => {
  test('has its columns', (t) => {
    const { database, apply } = setUp(t);
    apply({});
    const columns = database.prepare('PRAGMA table_info(_prisma_migrations)').all() as Record<string, unknown>[];
    // As the schema engine makes them.
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

  test('has a row for each migration, with the SHA-256 of its file', (t) => {
    const { path } = open(t);
    const database = new Sqlite(path);
    t.after(() => database.close());
    const rows = database.prepare('SELECT * FROM _prisma_migrations ORDER BY migration_name').all() as {
      id: string;
      started_at: number;
      finished_at: number;
    }[];
    assert.deepEqual(
      rows.map(({ id, started_at, finished_at, ...row }) => row),
      NAMES.map((name) => ({
        migration_name: name,
        checksum: createHash('sha256')
          .update(readFileSync(join(COMMITTED, name, 'migration.sql')))
          .digest('hex'),
        logs: null,
        rolled_back_at: null,
        applied_steps_count: 1,
      })),
    );
    for (const { id, started_at, finished_at } of rows) {
      assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.ok(Math.abs(Date.now() - started_at) < 3_600_000, 'milliseconds since 1970');
      assert.ok(finished_at >= started_at);
    }
  });
});

test('only what is new is applied, in the order of the names', (t) => {
  const { apply, tables } = setUp(t);
  assert.deepEqual(apply({ '1_first': FIRST }), ['1_first']);
  assert.deepEqual(apply({ '3_third': 'DROP TABLE two;', '2_second': SECOND, '1_first': FIRST }), [
    '2_second',
    '3_third',
  ]);
  assert.deepEqual(tables(), ['_prisma_migrations', 'one']);
});

suite('a database of another version is refused, and not touched', () => {
  const cases: [name: string, spoil: string, files: Record<string, string>, message: string][] = [
    [
      'where an applied migration was changed',
      '',
      { '1_first': `${FIRST} `, '2_second': SECOND },
      'Migration 1_first was changed after it had been applied to the database.',
    ],
    [
      'where it holds a newer migration',
      "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '9_newer', 1)",
      { '1_first': FIRST },
      'The database holds migration 9_newer, which this version of the service does not know.',
    ],
    [
      'where a migration came between those that were applied',
      "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '9_newer', 1)",
      { '1_first': FIRST, '2_second': SECOND, '9_newer': '' },
      'The database holds migration 9_newer, which this version of the service does not know.',
    ],
    [
      'where a migration was begun and not finished',
      'UPDATE _prisma_migrations SET finished_at = NULL',
      { '1_first': FIRST, '2_second': SECOND },
      'Migration 1_first was begun and not finished.',
    ],
  ];
  for (const [name, spoil, files, message] of cases) {
    test(name, (t) => {
      const { database, apply, tables } = setUp(t);
      apply({ '1_first': FIRST });
      database.exec(spoil);
      assert.throws(() => apply(files), new MigrationError(message));
      assert.deepEqual(tables(), ['_prisma_migrations', 'one']);
    });
  }
});

test('a migration that was marked as rolled back is applied again', (t) => {
  const { database, apply } = setUp(t);
  apply({ '1_first': FIRST });
  database.exec('UPDATE _prisma_migrations SET rolled_back_at = 1; DROP TABLE one;');
  assert.deepEqual(apply({ '1_first': FIRST }), ['1_first']);
});

suite('a migration that fails', () => {
  const BAD = `${SECOND} INSERT INTO nowhere VALUES (1);`;

  test('leaves nothing', (t) => {
    const { apply, tables } = setUp(t);
    assert.throws(() => apply({ '1_bad': BAD }), /no such table: nowhere/);
    assert.deepEqual(tables(), []);
  });

  test('leaves those before it, and is applied when it was mended', (t) => {
    const { apply, tables } = setUp(t);
    assert.throws(() => apply({ '1_first': FIRST, '2_second': BAD }), /no such table: nowhere/);
    assert.deepEqual(tables(), ['_prisma_migrations', 'one']);
    assert.deepEqual(apply({ '1_first': FIRST, '2_second': SECOND }), ['2_second']);
  });
});

test('a table that is made anew, as Prisma writes it, keeps the rows that refer to it', (t) => {
  const { database, apply } = setUp(t);
  const first = `CREATE TABLE "users" ("id" INTEGER NOT NULL PRIMARY KEY);
    CREATE TABLE "todos" (
      "id" INTEGER NOT NULL PRIMARY KEY, "owner_id" INTEGER NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE);
    INSERT INTO "users" VALUES (1);
    INSERT INTO "todos" VALUES (7, 1);`;
  const second = `PRAGMA defer_foreign_keys=ON;
    PRAGMA foreign_keys=OFF;
    CREATE TABLE "new_users" ("id" INTEGER NOT NULL PRIMARY KEY, "email" TEXT NOT NULL DEFAULT '');
    INSERT INTO "new_users" ("id") SELECT "id" FROM "users";
    DROP TABLE "users";
    ALTER TABLE "new_users" RENAME TO "users";
    PRAGMA foreign_keys=ON;
    PRAGMA defer_foreign_keys=OFF;`;
  database.pragma('foreign_keys = ON');
  apply({ '1_first': first, '2_second': second });
  assert.deepEqual(database.prepare('SELECT * FROM users').all(), [{ id: 1, email: '' }]);
  assert.deepEqual(database.prepare('SELECT * FROM todos').all(), [{ id: 7, owner_id: 1 }]);
  assert.equal(database.pragma('foreign_keys', { simple: true }), 1);
  assert.throws(() => database.exec('INSERT INTO todos VALUES (8, 2)'), /FOREIGN KEY/);
});

test('of processes that start at once on one new file, each migration is applied by one', async (t) => {
  const directory = temporaryDirectory(t);
  const runs = await Promise.all(Array.from({ length: 5 }, () => run(['migrate'], { directory })));
  const applied = NAMES.map((name) => `Applied ${name}\n`).join('');
  assert.deepEqual(
    runs.map(({ stderr, code }) => ({ stderr, code })),
    runs.map(() => ({ stderr: '', code: 0 })),
  );
  const lines = runs.flatMap(({ stdout }) => stdout.match(/Applied .*\n/g) ?? []);
  assert.equal(lines.sort().join(''), applied);
  assert.equal(runs.filter(({ stdout }) => stdout === 'No migrations to apply.\n').length, runs.length - 1);
});

test('the committed migrations are read from the package, wherever the service is started', async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'prisma'));
  cpSync(COMMITTED, join(directory, 'prisma/migrations/sqlite'), { recursive: true });
  mkdirSync(join(directory, 'prisma/migrations/sqlite/99999999999999_strange'));
  const { stdout, code } = await run(['migrate'], { directory });
  assert.deepEqual({ stdout, code }, { stdout: NAMES.map((name) => `Applied ${name}\n`).join(''), code: 0 });
});
