import {
  accessSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import { CommandError } from '../errors.ts';
import { draftOf, keepAs, makeDirectoryOf, nameDraft, syncToDisk } from '../files.ts';
import { describeFault, isDiskFull } from './errors.ts';
import {
  type AppliedMigration,
  findNextMigration,
  MigrationError,
  readMigrations,
  SELECT_APPLIED,
} from './migrations.ts';

// What SQLite keeps beside a database while it is in use, or where its user died.
const COMPANIONS = ['-wal', '-shm', '-journal'];
// In one step it is one moment of the database; with more of them every write would begin it anew.
const ALL_PAGES = 0x7fffffff;

/**
 * Writes one moment of a SQLite database, which may be in use, to a file that needs no other beside it and
 * that only its owner can read. It is there whole and verified, or not at all.
 * @throws {CommandError} where the file exists and may not be overwritten, or the database does not hold
 */
export async function backUpSqlite(path: string, file: string, { overwrite = false } = {}): Promise<void> {
  refuseSame(path, file);
  const present = statSync(file, { throwIfNoEntry: false });
  if (present && !overwrite) throw new CommandError(`${file} exists.`);
  if (present && !present.isFile()) throw new CommandError(`${file} is no file.`);
  await withDraft(file, async (draft) => {
    await copyDatabase(path, draft);
    // Fails where the file was made meanwhile.
    if (overwrite) renameSync(draft, file);
    else nameDraft(draft, file);
  });
  syncToDisk(dirname(file));
}

/**
 * Puts a verified copy of a backup in the place of a SQLite database, which nobody may have open. Gives the
 * name under which the former database is kept; undefined where there was none.
 * @throws {CommandError} where the backup does not hold or is of a newer version, or the database is in use;
 * or, but for `force`, where this cannot be known, as it is damaged
 */
export async function restoreSqlite(file: string, path: string, { force = false } = {}): Promise<string | undefined> {
  accessSync(file);
  refuseSame(path, file);
  const place = placeOf(path);
  makeDirectoryOf(place);
  const lock = existsSync(place) ? lockOut(place, force) : undefined;
  try {
    return await withDraft(place, async (draft) => {
      await copyDatabase(file, draft);
      const former = `${place}.replaced-${new Date().toISOString().replaceAll(/[-:.]/g, '')}`;
      // A log that was left would be taken for the new database's.
      if (!lock) moveCompanions(place, former);
      return replace(place, draft, former) ? former : undefined;
    });
  } finally {
    // Whoever opened the former database meanwhile cannot write to it: SQLite sees that it has moved.
    lock?.close();
    syncToDisk(dirname(place));
  }
}

/** Has a draft of a file, which is gone after, also where the process is ended meanwhile by `process.exit`. */
async function withDraft<Result>(file: string, use: (draft: string) => Promise<Result>): Promise<Result> {
  const draft = draftOf(file);
  const remove = () => {
    for (const suffix of ['', ...COMPANIONS]) rmSync(draft + suffix, { force: true });
  };
  process.once('exit', remove);
  try {
    return await use(draft);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

function refuseSame(path: string, file: string): void {
  const b = statSync(file, { throwIfNoEntry: false });
  for (const suffix of ['', ...COMPANIONS]) {
    const a = statSync(path + suffix, { throwIfNoEntry: false });
    if (a && b && a.dev === b.dev && a.ino === b.ino) throw new CommandError(`${file} is the database itself.`);
  }
}

/** What a link names is replaced, not the link. */
function placeOf(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink();
  return isLink ? resolve(dirname(path), readlinkSync(path)) : path;
}

/** Holds for itself alone a database that has no log beside it, until it is closed. */
function lockOut(path: string, force: boolean): Sqlite.Database | undefined {
  const connection = new Sqlite(path, { fileMustExist: true, timeout: 0 });
  try {
    connection.pragma('locking_mode = EXCLUSIVE');
    // Fails while anyone has it open; writes what is in the log into the file, and removes the log.
    connection.pragma('journal_mode = DELETE');
    connection.exec('BEGIN EXCLUSIVE');
    // The index of the log, where a process was killed.
    rmSync(`${path}-shm`, { force: true });
    return connection;
  } catch (error) {
    connection.close();
    if ((error as { code?: string }).code === 'SQLITE_BUSY') {
      throw new CommandError(`${path} is in use. Stop the service, and all else that has it open.`);
    }
    if (isDiskFull(error)) throw new CommandError(`${path} cannot be locked: the disk is full. Make room first.`);
    if (force) return undefined;
    throw new CommandError(
      `${path} cannot be locked (${describeFault(error)}), so whether it is in use cannot be known. Stop the service, and give --force.`,
    );
  }
}

function moveCompanions(from: string, to: string): void {
  for (const suffix of COMPANIONS) if (existsSync(from + suffix)) renameSync(from + suffix, to + suffix);
}

/** Puts a draft in the place of a database; gives whether there was one, which then has a further name. */
function replace(path: string, draft: string, former: string): boolean {
  const isThere = existsSync(path);
  const { uid, gid, mode } = statSync(isThere ? path : dirname(path));
  if (isThere) chmodSync(draft, mode & 0o777);
  if (isThere || process.getuid?.() === 0) giveTo(draft, uid, gid, path);
  if (isThere) keepAs(path, former);
  renameSync(draft, path);
  return isThere;
}

function giveTo(draft: string, uid: number, gid: number, path: string): void {
  try {
    chownSync(draft, uid, gid);
  } catch {
    throw new CommandError(
      `${path} belongs to another user, who could not open it any more. Restore it as them, or as root.`,
    );
  }
}

/** Copies a database to a new file, verifies the copy, and waits until it is on the disk. */
async function copyDatabase(from: string, to: string): Promise<void> {
  accessSync(from);
  writeFileSync(to, '', { mode: 0o600, flag: 'wx' });
  try {
    const source = new Sqlite(from, { fileMustExist: true });
    try {
      await source.backup(to, { progress: () => ALL_PAGES });
    } finally {
      source.close();
    }
    const copy = new Sqlite(to, { fileMustExist: true });
    try {
      // One file, which can be read from where nothing can be written.
      copy.exec('PRAGMA trusted_schema = OFF; PRAGMA journal_mode = DELETE');
      verify(copy);
    } finally {
      copy.close();
    }
    syncToDisk(to);
  } catch (error) {
    const isOurs = error instanceof MigrationError || error instanceof CommandError;
    const reason = isOurs ? error.message : describeFault(error);
    throw reason ? new CommandError(`${from} cannot be copied: ${reason}`) : error;
  }
}

/**
 * @throws {CommandError} where a database is damaged, or not of this service
 * @throws {MigrationError} where it is of a newer version
 */
function verify(connection: Sqlite.Database): void {
  const [fault] = connection.pragma('integrity_check(1)') as [{ integrity_check: string }];
  if (fault.integrity_check !== 'ok') throw new CommandError(`The database is damaged: ${fault.integrity_check}`);
  const [orphan] = connection.pragma('foreign_key_check') as { table: string }[];
  if (orphan) throw new CommandError(`The database is damaged: rows of ${orphan.table} refer to none.`);
  const table = connection.prepare("SELECT 1 FROM sqlite_master WHERE name = '_prisma_migrations'").get();
  const applied = table ? connection.prepare<[], AppliedMigration>(SELECT_APPLIED).all() : [];
  if (applied.length === 0) throw new CommandError('It is no database of this service.');
  findNextMigration(readMigrations('sqlite'), applied);
}
