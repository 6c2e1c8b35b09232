import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs, {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import Sqlite from 'better-sqlite3';
import { backUpSqlite, restoreSqlite } from '../../src/database/backup.ts';
import { openDatabase } from '../../src/database/index.ts';
import { readMigrations } from '../../src/database/migrations.ts';
import { migrateSqlite } from '../../src/database/sqlite.ts';
import { CommandError } from '../../src/errors.ts';
import { readOrCreateSecret } from '../../src/secret.ts';
import { build, configure, isOnPostgresql, makeDatabase, SECRET_KEY, temporaryDirectory, until } from '../helper.ts';
import { call, insertUser, start, startServer } from './helper.ts';

const ON_SQLITE = { skip: isOnPostgresql && 'this run is on PostgreSQL' };

interface Place {
  /** holds the database `todo.db` and nothing else */
  directory: string;
  path: string;
  /** where a backup may go, in a directory of its own */
  file: string;
  settings: Record<string, string>;
}

/** A database with these users. */
async function makePlace(t: TestContext, ...usernames: string[]): Promise<Place> {
  const settings = await makeDatabase(t);
  const path = (settings.DATABASE_URL as string).slice('file:'.length);
  const place = { directory: dirname(path), path, file: join(temporaryDirectory(t), 'backup.db'), settings };
  for (const username of usernames) await addUser(place, username);
  return place;
}

async function addUser({ settings }: Pick<Place, 'settings'>, username: string) {
  const database = await openDatabase(configure(settings));
  await insertUser(database, username);
  await database.close();
}

/** The users of a database file, which is left as it is. */
function namesIn(path: string): string[] {
  const connection = new Sqlite(path, { readonly: true });
  const names = connection.prepare<[], string>('SELECT username FROM users ORDER BY id').pluck().all();
  connection.close();
  return names;
}

/** Has a function of the file system fail, for the whole process, until the test is over. */
function mockFs(t: TestContext, name: 'linkSync' | 'chownSync', code: string): void {
  const { mock } = t.mock.method(fs, name, () => {
    throw Object.assign(new Error(code), { code });
  });
  syncBuiltinESMExports();
  t.after(() => {
    mock.restore();
    syncBuiltinESMExports();
  });
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

const refused = (message: RegExp) => (error: Error) => {
  assert.ok(error instanceof CommandError, error.stack);
  assert.match(error.message, message);
  return true;
};

/** Changes a database past the service. */
function alter(path: string, sql: string): void {
  const connection = new Sqlite(path);
  connection.pragma('foreign_keys = OFF');
  connection.exec(sql);
  connection.pragma('journal_mode = DELETE');
  connection.close();
}

/** Overwrites the pages after the first, by which a database is known as one. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  bytes.fill(0xa5, 4096);
  writeFileSync(path, bytes);
}

const NEWER = "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', '99999999999999_x')";
const UNKNOWN = 'The database has migration 99999999999999_x, which this version of the service does not know\\.';
const ORPHAN = "INSERT INTO todos (owner_id, title, date_created) VALUES (7, 'Lost', '2026-11-23')";

/** What no backup can be made of, and nothing be restored from. */
const UNFIT: [name: string, change: (path: string) => void, message: RegExp][] = [
  ['a file that is no database', (path) => writeFileSync(path, 'Dear diary, '.repeat(1000)), /file is not a database$/],
  ['an empty file', (path) => writeFileSync(path, ''), /It is no database of this service\.$/],
  ['a database without migrations', (path) => alter(path, 'DELETE FROM _prisma_migrations'), /It is no database of/],
  ['a damaged database', damage, /(The database is damaged: |database disk image is malformed)/],
  ['a database with rows that refer to none', (path) => alter(path, ORPHAN), /rows of todos refer to none\.$/],
  ['a database of a newer version', (path) => alter(path, NEWER), new RegExp(`${UNKNOWN}$`)],
  [
    'a database that is half migrated',
    (path) => alter(path, 'UPDATE _prisma_migrations SET finished_at = NULL'),
    /Migration \w+ was begun and not finished\.$/,
  ],
];

suite('backup', ON_SQLITE, () => {
  test('writes one private file with all that was committed, while the service runs', async (t) => {
    const { directory, file, settings } = await makePlace(t, 'paul');
    const service = await build(t, { ...settings, SECRET_KEY: '' });
    await addUser({ settings }, 'anna');
    const before = readdirSync(directory).sort();
    assert.deepEqual(await call(['backup', file], { directory, settings }), {
      code: 0,
      stdout: `Backed up to ${file}.\n`,
      stderr: '',
    });
    assert.equal((await service.send('GET', '/readyz')).status, 200);
    assert.deepEqual(readdirSync(directory).sort(), before);
    assert.deepEqual(readdirSync(dirname(file)), ['backup.db']);
    assert.equal(modeOf(file), 0o600);
    assert.deepEqual(namesIn(file), ['paul', 'anna']);
    assert.deepEqual(readdirSync(dirname(file)), ['backup.db']);
    const secret = readFileSync(join(directory, 'secret.key'), 'utf8').trim();
    assert.ok(!readFileSync(file).includes(secret));
  });

  test('is made of a database that its process left behind', async (t) => {
    const { path, file } = await makePlace(t, 'paul');
    // As after a kill: the last user is in the log alone.
    const source = new Sqlite(path);
    t.after(() => source.close());
    source.pragma('wal_autocheckpoint = 0');
    source.exec("UPDATE users SET username = 'anna'");
    const copy = join(dirname(file), 'todo.db');
    for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix);
    await backUpSqlite(copy, file);
    assert.deepEqual(namesIn(file), ['anna']);
  });

  test('overwrites a file only where it is told to', async (t) => {
    const { directory, settings, file } = await makePlace(t, 'paul');
    writeFileSync(file, 'precious', { mode: 0o644 });
    assert.deepEqual(await call(['backup', file], { directory, settings }), {
      code: 1,
      stdout: '',
      stderr: `todo-api: ${file} exists.\n`,
    });
    assert.equal(readFileSync(file, 'utf8'), 'precious');
    assert.equal((await call(['backup', '--force', file], { directory, settings })).code, 0);
    assert.deepEqual(namesIn(file), ['paul']);
    assert.equal(modeOf(file), 0o600);
    assert.deepEqual(readdirSync(dirname(file)), ['backup.db']);
  });

  test('overwrites nothing but a file', async (t) => {
    const { path, file } = await makePlace(t);
    const pipe = `${file}.pipe`;
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
    for (const other of [pipe, dirname(file)]) {
      await assert.rejects(backUpSqlite(path, other, { overwrite: true }), refused(/is no file\.$/));
    }
    assert.ok(statSync(pipe).isFIFO());
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`leaves nothing half done on ${signal}`, async (t) => {
      const { directory, settings, path, file } = await makePlace(t, 'paul');
      const connection = new Sqlite(path);
      connection.exec('CREATE TABLE ballast (bytes BLOB)');
      connection.exec('INSERT INTO ballast VALUES (zeroblob(100000000))');
      connection.close();
      const endedBySignal = async () => {
        rmSync(file, { force: true });
        const child = start(['backup', file], { directory, settings });
        const exit = once(child, 'exit');
        await until('it has begun', () => readdirSync(dirname(file)).length > 0 || child.exitCode !== null, 1);
        child.kill(signal);
        const [code] = await exit;
        // On a busy machine the signal may come too late.
        if (code !== 0) assert.equal(code, 128 + constants.signals[signal]);
        return code !== 0;
      };
      await until('the signal comes in time', endedBySignal);
      // It may have been done just before.
      assert.deepEqual(
        readdirSync(dirname(file)).filter((name) => name !== 'backup.db'),
        [],
      );
    });
  }

  test('is made, and restored, where there are no links', async (t) => {
    const { path, file, directory } = await makePlace(t, 'paul');
    mockFs(t, 'linkSync', 'EPERM');
    await backUpSqlite(path, file);
    await assert.rejects(backUpSqlite(path, file), refused(/exists\.$/));
    await addUser({ settings: { DATABASE_URL: `file:${path}` } }, 'anna');
    const former = (await restoreSqlite(file, path)) as string;
    assert.deepEqual([namesIn(path), namesIn(former)], [['paul'], ['paul', 'anna']]);
    const secret = join(directory, 'secret.key');
    assert.equal(readOrCreateSecret(secret), readOrCreateSecret(secret));
    assert.deepEqual(
      readdirSync(directory).sort(),
      ['secret.key', 'todo.db', former.slice(directory.length + 1)].sort(),
    );
  });

  test('of two to one file at once makes one', async (t) => {
    const { path, file } = await makePlace(t, 'paul');
    const results = await Promise.allSettled([backUpSqlite(path, file), backUpSqlite(path, file)]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    assert.deepEqual(readdirSync(dirname(file)), ['backup.db']);
    assert.deepEqual(namesIn(file), ['paul']);
  });

  test('never takes the place of the database itself', async (t) => {
    const { path, directory } = await makePlace(t, 'paul');
    const [symbolic, hard] = [join(directory, 'symbolic.db'), join(directory, 'hard.db')];
    symlinkSync(path, symbolic);
    linkSync(path, hard);
    for (const file of [path, symbolic, hard]) {
      await assert.rejects(backUpSqlite(path, file, { overwrite: true }), refused(/is the database itself\.$/));
      await assert.rejects(restoreSqlite(file, path), refused(/is the database itself\.$/));
    }
    const connection = new Sqlite(path);
    connection.exec("UPDATE users SET email = 'paul@domain.com'");
    await assert.rejects(
      backUpSqlite(path, `${path}-wal`, { overwrite: true }),
      refused(/todo\.db-wal is the database itself\.$/),
    );
    connection.close();
    assert.deepEqual(namesIn(path), ['paul']);
  });

  test('needs a database, and a directory for the file', async (t) => {
    const { path, directory, file } = await makePlace(t);
    await assert.rejects(backUpSqlite(join(directory, 'none.db'), file), { code: 'ENOENT', syscall: 'access' });
    await assert.rejects(backUpSqlite(path, join(directory, 'no', 'backup.db')), { code: 'ENOENT', syscall: 'open' });
    assert.equal(existsSync(file), false);
    assert.deepEqual(readdirSync(directory), ['todo.db']);
  });

  for (const [name, change, message] of UNFIT) {
    test(`is not made of ${name}`, async (t) => {
      const { path, file } = await makePlace(t, 'paul');
      change(path);
      await assert.rejects(backUpSqlite(path, file), refused(message));
      assert.deepEqual(readdirSync(dirname(file)), []);
    });
  }
});

suite('restore', ON_SQLITE, () => {
  test('puts a backup in the place of the database, which is kept', async (t) => {
    const place = await makePlace(t, 'paul');
    const { directory, path, file, settings } = place;
    chmodSync(path, 0o640);
    await backUpSqlite(path, file);
    await addUser(place, 'anna');
    const { code, stdout, stderr } = await call(['restore', file], { directory, settings });
    assert.deepEqual([code, stderr], [0, '']);
    const [, former = ''] = /^Restored \/.*\. What was there is kept as (\/.*)\.\n$/.exec(stdout) ?? [];
    assert.deepEqual(namesIn(path), ['paul']);
    assert.deepEqual([modeOf(path), statSync(path).uid], [0o640, statSync(former).uid]);
    assert.deepEqual(
      readdirSync(directory).map((name) => join(directory, name)),
      [path, former],
    );
    assert.deepEqual(namesIn(former), ['paul', 'anna']);
    assert.deepEqual(namesIn(file), ['paul']);

    const second = await restoreSqlite(former, path);
    assert.deepEqual(namesIn(path), ['paul', 'anna']);
    assert.deepEqual(namesIn(second as string), ['paul']);
  });

  test('makes the database where there is none, and leaves a log that was there to no new one', async (t) => {
    const { path, file } = await makePlace(t, 'paul');
    await backUpSqlite(path, file);
    const elsewhere = join(temporaryDirectory(t), 'data', 'todo.db');
    assert.equal(await restoreSqlite(file, elsewhere), undefined);
    assert.deepEqual([namesIn(elsewhere), modeOf(elsewhere)], [['paul'], 0o600]);

    const withLog = join(temporaryDirectory(t), 'todo.db');
    const source = new Sqlite(path);
    t.after(() => source.close());
    source.exec("UPDATE users SET username = 'anna'");
    copyFileSync(`${path}-wal`, `${withLog}-wal`);
    await restoreSqlite(file, withLog);
    assert.deepEqual(namesIn(withLog), ['paul']);
    assert.match(readdirSync(dirname(withLog)).join(), /^todo\.db,todo\.db\.replaced-\w+-wal$/);
  });

  test('keeps what the process before left in the log', async (t) => {
    const { path, file } = await makePlace(t, 'paul');
    await backUpSqlite(path, file);
    const source = new Sqlite(path);
    t.after(() => source.close());
    source.exec("UPDATE users SET username = 'anna'");
    const killed = join(temporaryDirectory(t), 'todo.db');
    for (const suffix of ['', '-wal', '-shm']) copyFileSync(path + suffix, killed + suffix);
    const former = await restoreSqlite(file, killed);
    assert.deepEqual(namesIn(killed), ['paul']);
    assert.deepEqual(namesIn(former as string), ['anna']);
    assert.match(readdirSync(dirname(killed)).join(), /^todo\.db,todo\.db\.replaced-\w+$/);
  });

  test('replaces what a link names', async (t) => {
    const { path, file, directory } = await makePlace(t, 'paul');
    await backUpSqlite(path, file);
    alter(path, "UPDATE users SET username = 'anna'");
    const link = join(directory, 'link.db');
    symlinkSync(path, link);
    await restoreSqlite(file, link);
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.deepEqual(namesIn(path), ['paul']);
  });

  test('replaces what a link names that is not there', async (t) => {
    const { path, file } = await makePlace(t, 'paul');
    await backUpSqlite(path, file);
    const [target, link] = [`${file}.target`, `${file}.link`];
    symlinkSync(target, link);
    assert.equal(await restoreSqlite(file, link), undefined);
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.deepEqual(namesIn(target), ['paul']);
  });

  test('is refused to who could not give it to its owner', async (t) => {
    const { path, file, directory } = await makePlace(t, 'paul');
    await backUpSqlite(path, file);
    await addUser({ settings: { DATABASE_URL: `file:${path}` } }, 'anna');
    mockFs(t, 'chownSync', 'EPERM');
    await assert.rejects(restoreSqlite(file, path), refused(/belongs to another user/));
    assert.deepEqual(namesIn(path), ['paul', 'anna']);
    assert.deepEqual(readdirSync(directory), ['todo.db']);
  });

  test('is refused while anyone has the database open', async (t) => {
    const { directory, path, file, settings } = await makePlace(t, 'paul');
    await backUpSqlite(path, file);
    const server = await startServer(t, { directory, settings });
    const message = `todo-api: ${path} is in use. Stop the service, and all else that has it open.\n`;
    for (const args of [
      ['restore', file],
      ['restore', '--force', file],
    ]) {
      assert.deepEqual(await call(args, { directory, settings }), { code: 1, stdout: '', stderr: message });
    }
    assert.equal(server.child.exitCode, null);
    assert.deepEqual(readdirSync(directory).sort(), ['todo.db', 'todo.db-shm', 'todo.db-wal']);
    await addUser({ settings }, 'anna');
  });

  test('leaves whoever opened the former database in the same moment unable to write', async (t) => {
    const { path, file } = await makePlace(t, 'paul');
    await backUpSqlite(path, file);
    // It has read nothing, and so holds no lock yet.
    const opened = new Sqlite(path);
    t.after(() => opened.close());
    await restoreSqlite(file, path);
    assert.throws(() => opened.pragma('journal_mode = WAL'), { code: 'SQLITE_READONLY_DBMOVED' });
    assert.deepEqual(namesIn(path), ['paul']);
  });

  test('of a database that is damaged beyond locking needs to be told that nobody uses it', async (t) => {
    const { directory, path, file, settings } = await makePlace(t, 'paul');
    await backUpSqlite(path, file);
    const rubbish = 'Dear diary, '.repeat(1000);
    writeFileSync(path, rubbish);
    const outcome = await call(['restore', file], { directory, settings });
    assert.equal(outcome.code, 1);
    assert.match(
      outcome.stderr,
      /cannot be locked \(file is not a database\), so whether .* Stop the service, and give --force\.\n$/,
    );
    assert.equal(readFileSync(path, 'utf8'), rubbish);
    assert.equal((await call(['restore', '--force', file], { directory, settings })).code, 0);
    assert.deepEqual(namesIn(path), ['paul']);
    const [former = ''] = readdirSync(directory).filter((name) => name !== 'todo.db');
    assert.equal(readFileSync(join(directory, former), 'utf8'), rubbish);
  });

  for (const [name, change, message] of UNFIT) {
    test(`is not made from ${name}`, async (t) => {
      const { directory, path, file } = await makePlace(t, 'paul');
      await backUpSqlite(path, file);
      change(file);
      await assert.rejects(restoreSqlite(file, path), refused(message));
      assert.deepEqual(namesIn(path), ['paul']);
      assert.deepEqual(readdirSync(directory), ['todo.db']);
    });
  }

  test('needs a backup', async (t) => {
    const { directory, path } = await makePlace(t, 'paul');
    await assert.rejects(restoreSqlite(join(directory, 'none.db'), path), { code: 'ENOENT', syscall: 'access' });
    mkdirSync(join(directory, 'folder'));
    await assert.rejects(restoreSqlite(join(directory, 'folder'), path), refused(/unable to open database file$/));
    assert.deepEqual(namesIn(path), ['paul']);
  });

  test('of an older version is brought to this one by the next start', async (t) => {
    const { directory, path, file, settings } = await makePlace(t);
    const older = join(temporaryDirectory(t), 'older.db');
    const [first, ...later] = readMigrations('sqlite');
    const connection = new Sqlite(older);
    migrateSqlite(connection, first && [first]);
    connection.close();
    await backUpSqlite(older, file);
    await restoreSqlite(file, path);
    const applied = later.map(({ name }) => `Applied ${name}\n`).join('');
    assert.deepEqual(await call(['migrate'], { directory, settings }), { code: 0, stdout: applied, stderr: '' });
  });
});

test('PostgreSQL has tools of its own, which are named without a password', async (t) => {
  const directory = temporaryDirectory(t);
  const ask = (args: string[], DATABASE_URL: string) =>
    call(args, { directory, settings: { DATABASE_URL, SECRET_KEY } });
  const url = 'postgresql://paul:hunter2@db.example/todo?sslmode=verify-full&password=hunter2';
  const address = "'postgresql://paul@db.example/todo?sslmode=verify-full'";
  const say = (command: string) => ({
    code: 1,
    stdout: '',
    stderr: `todo-api: PostgreSQL has a tool of its own for this. Run: ${command}\n`,
  });
  assert.deepEqual(
    await ask(['backup', "paul's.dump"], url),
    say(String.raw`pg_dump --format=custom --file='paul'\''s.dump' ${address}`),
  );
  assert.deepEqual(
    await ask(['restore', 'todo.dump'], url),
    say(`pg_restore --single-transaction --no-owner --dbname=${address} 'todo.dump'`),
  );
  // What those tools do not know, or call otherwise.
  const others = 'schema=public&connection_limit=5&sslmode=no-verify&application_name=todo&uselibpqcompat=true';
  assert.deepEqual(
    await ask(['backup', 'a'], `postgresql://paul@db.example/todo?${others}`),
    say("pg_dump --format=custom --file='a' 'postgresql://paul@db.example/todo?application_name=todo'"),
  );
  // The password was not encoded.
  for (const unencoded of [
    'postgresql://paul:hunter#2@db.example/todo',
    'postgresql://paul:1#2hunter@db.example/todo',
  ]) {
    const { code, stderr } = await ask(['backup', 'todo.dump'], unencoded);
    assert.equal(code, 1);
    assert.match(stderr, /pg_dump/);
    assert.doesNotMatch(stderr, /hunter/);
  }
});
