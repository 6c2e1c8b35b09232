import { randomUUID } from 'node:crypto';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { Mutex } from 'async-mutex';
import Sqlite from 'better-sqlite3';
import { makeDirectoryOf } from '../files.ts';
import { extend } from './extend.ts';
import { PrismaClient } from './generated/sqlite/client.ts';
import { groupWrites } from './group-commit.ts';
import { LOCK_TIMEOUT_MS, untilUnlocked } from './locks.ts';
import {
  type AppliedMigration,
  findNextMigration,
  MigrationError,
  readMigrations,
  SELECT_APPLIED,
} from './migrations.ts';
import {
  endScan,
  type Filter,
  fillPage,
  type ListQuery,
  MAX_SCANNED,
  ORDERS,
  orderSql,
  type Page,
  type Position,
  planScan,
  type Scan,
  SEARCH_COST,
  searchable,
} from './pages.ts';
import {
  type Credential,
  type Database,
  KEPT_FOR,
  type KeyedAnswer,
  type KeyedRequest,
  type LiveUser,
  ownerOf,
  type Statements,
  TODO_COLUMNS,
  type TodoFields,
  type TodoRow,
  type Viewer,
} from './statements.ts';
import { type TrustedReads, trustReads } from './trusted-reads.ts';
import { databasePath } from './url.ts';
import { makeWordFinder } from './words.ts';

// Commits reach the disk before they are acknowledged (FULL), and readers never wait for them (WAL). The
// system keeps the file's pages, too; of its own, a connection keeps 4 MB and not better-sqlite3's 16.
const PRAGMAS =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4000;';

/**
 * Opens the SQLite file of a `file:` URL; makes it, and brings it to this version, where needed.
 * Two connections are open on it: Prisma's, and the one of the prepared statements.
 * @throws {MigrationError} where the file belongs to another version of the service
 */
export function openSqlite(url: string): Database {
  const path = databasePath(url);
  makeDirectoryOf(path);
  const connection = new Sqlite(path, { timeout: LOCK_TIMEOUT_MS });
  try {
    connection.exec(PRAGMAS);
    const migrated = migrateSqlite(connection);
    // From here on nothing may hold the event loop.
    connection.pragma('busy_timeout = 0');
    const turns = new Mutex();
    const reads = trustReads(connection);
    const client = new PrismaClient({
      adapter: inTurn(new PrismaBetterSqlite3({ url: path, timeout: 0 }), turns, reads.forget),
    });
    const prisma = extend(client, prepareStatements(connection, turns, reads));
    return {
      prisma,
      migrated,
      isWritable: async () => (await client.$queryRaw<unknown[]>`SELECT 1`).length === 1,
      async close() {
        await client.$disconnect();
        connection.close();
      },
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * Lets Prisma's transactions, which last over several ticks, and all other statements of this process
 * take turns. A statement on Prisma's connection would otherwise become part of a transaction that
 * happens to be open there, and a write on the other connection would block the event loop that the
 * transaction needs to finish. `onCommit` is called where something may have been committed.
 */
function inTurn(factory: PrismaBetterSqlite3, turns: Mutex, onCommit: () => void): PrismaBetterSqlite3 {
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    await untilUnlocked(() => adapter.executeScript(PRAGMAS));
    const queryRaw = adapter.queryRaw.bind(adapter);
    const executeRaw = adapter.executeRaw.bind(adapter);
    const startTransaction = adapter.startTransaction.bind(adapter);
    adapter.queryRaw = (query) => alone(() => queryRaw(query).finally(onCommit));
    adapter.executeRaw = (query) => alone(() => executeRaw(query).finally(onCommit));
    adapter.startTransaction = (isolationLevel) => untilUnlocked(() => begin(isolationLevel));
    return adapter;

    function alone<Result>(run: () => Promise<Result>): Promise<Result> {
      return untilUnlocked(() => turns.runExclusive(run));
    }

    async function begin(isolationLevel: Parameters<typeof startTransaction>[0]) {
      const release = await turns.acquire();
      const transaction = await startTransaction(isolationLevel).catch((error) => {
        release();
        throw error;
      });
      const { commit, rollback } = transaction;
      transaction.commit = () => commit.call(transaction).finally(onCommit).finally(release);
      transaction.rollback = () => rollback.call(transaction).finally(release);
      try {
        // The adapter's BEGIN takes the lock at the first write, which then fails at once where another
        // process has written since.
        await adapter.executeScript('COMMIT; BEGIN IMMEDIATE');
      } catch (error) {
        await transaction.rollback();
        throw error;
      }
      return transaction;
    }
  };
  return factory;
}

/** Applies the migrations that are missing, each in a transaction of its own that locks out a second runner. */
export function migrateSqlite(connection: Sqlite.Database, migrations = readMigrations('sqlite')): string[] {
  const migrated: string[] = [];
  const applyNext = connection.transaction(() => {
    connection.exec(MIGRATIONS_TABLE);
    const next = findNextMigration(migrations, connection.prepare<[], AppliedMigration>(SELECT_APPLIED).all());
    if (!next) return undefined;
    const startedAt = Date.now();
    connection.exec(next.sql);
    if ((connection.pragma('foreign_key_check') as unknown[]).length > 0) {
      throw new MigrationError(`Migration ${next.name} would leave rows that refer to none.`);
    }
    connection.prepare(INSERT_APPLIED).run(randomUUID(), next.checksum, next.name, startedAt, Date.now());
    return next.name;
  });
  // Off outside the transaction, where it has an effect: Prisma makes a table anew by dropping the old one.
  connection.pragma('foreign_keys = OFF');
  for (let name = applyNext.immediate(); name; name = applyNext.immediate()) migrated.push(name);
  connection.pragma('foreign_keys = ON');
  return migrated;
}

const MIGRATIONS_TABLE = `
  CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
  )`;
const INSERT_APPLIED = `
  INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
  VALUES (?, ?, ?, ?, ?, 1)`;

const COLUMNS =
  'id, title, body, is_completed, date_created, substr(updated_at, 1, 10) AS last_modified, owner_id AS owner';
// A page is long, and SQLite writes JSON in half the time in which rows become objects, and these JSON.
const JSON_TODO = `json_object('id', id, 'title', title, 'body', body,
  'is_completed', json(iif(is_completed, 'true', 'false')), 'date_created', date_created,
  'last_modified', substr(updated_at, 1, 10), 'owner', owner_id)`;
const USER = 'users.id, is_active, is_superuser';
const NOW = "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')";

/** The statements of every request. */
export const SQL = {
  findTokenUser: `SELECT ${USER}, api_tokens.id AS token_id, scopes, last_used_at, expires_at
    FROM api_tokens JOIN users ON users.id = user_id WHERE digest = ?`,
  noteTokenUse: `UPDATE api_tokens SET last_used_at = ${NOW}
    WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)`,
  findSessionUser: `SELECT ${USER} FROM sessions JOIN users ON users.id = user_id WHERE sessions.id = ? AND user_id = ?`,
  readAny: `SELECT ${COLUMNS} FROM todos WHERE id = ?`,
  readOwn: `SELECT ${COLUMNS} FROM todos WHERE id = ? AND owner_id = ?`,
  add: `INSERT INTO todos (owner_id, title, body, is_completed, date_created, created_at, updated_at)
    SELECT ?, ?, ?, ?, ?, now, now FROM (SELECT ${NOW} AS now) RETURNING ${COLUMNS}`,
  findAnswer: `SELECT fingerprint, answer FROM idempotency_keys WHERE user_id = ? AND key = ? AND expires_at > ${NOW}`,
  // In the place of one that has expired.
  keepAnswer: `INSERT OR REPLACE INTO idempotency_keys (user_id, key, fingerprint, answer, expires_at)
    VALUES (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '+${KEPT_FOR}'))`,
} as const;

/** Writes these columns and no other; the values are theirs, and those of `whichSql`. */
export function changeSql(columns: readonly string[], isOwn: boolean, isExpected: boolean): string {
  const assignments = columns.map((column) => `${column} = ?`);
  return `UPDATE todos SET ${assignments.join(', ')}, updated_at = ${NOW}, version = version + 1
    ${whichSql(isOwn, isExpected)} RETURNING ${COLUMNS}`;
}

export function removeSql(isOwn: boolean, isExpected: boolean): string {
  return `DELETE FROM todos ${whichSql(isOwn, isExpected)}`;
}

/** The todo of an id; where it must be theirs, of an owner; and as it is expected to be. */
function whichSql(isOwn: boolean, isExpected: boolean): string {
  const expectation =
    ' AND (title, body, is_completed, date_created, substr(updated_at, 1, 10), owner_id) = (?, ?, ?, ?, ?, ?)';
  return `WHERE id = ?${isOwn ? ' AND owner_id = ?' : ''}${isExpected ? expectation : ''}`;
}

/** The todos of a scan up to a limit, and of a filtered one those that pass. */
export function scanSql(scan: Scan, isOwn: boolean, isFiltered: boolean): string {
  return `SELECT ${JSON_TODO}, ${ORDERS[scan.order]} FROM todos ${scannedSql(scan, isOwn)}${isFiltered ? ` AND ${PASSES}` : ''}
    ${orderSql(scan)} LIMIT ?`;
}

/** The last place that is looked at, where there is more; by a search, after a size too. */
export function scanEndSql(scan: Scan, isOwn: boolean, isSearch: boolean): string {
  const columns = ORDERS[scan.order];
  const scanned = `FROM todos ${scannedSql(scan, isOwn)}`;
  if (!isSearch) return `SELECT ${columns} ${scanned} ${orderSql(scan)} LIMIT 1 OFFSET ${MAX_SCANNED - 1}`;
  return `SELECT ${columns} FROM (SELECT ${columns}, row_number() OVER scan AS number,
      sum(${SEARCH_COST}) OVER scan AS size
      ${scanned} WINDOW scan AS (${orderSql(scan)} ROWS UNBOUNDED PRECEDING) LIMIT ${MAX_SCANNED})
    WHERE number = ${MAX_SCANNED} OR size > ? LIMIT 1`;
}

function scannedSql({ order }: Scan, isOwn: boolean): string {
  const columns = `(${ORDERS[order]})`;
  // Where the id, which has no collation, is compared without one, the index finds no place among equals.
  const values = `(${ORDERS[order].map(() => '? COLLATE BINARY')})`;
  return `WHERE ${isOwn ? 'owner_id = ? AND ' : ''}${columns} > ${values} AND ${columns} < ${values}`;
}

// The plus keeps an index from being used for this instead of for the order.
const PASSES = `is_completed = coalesce(?, is_completed) AND date_created BETWEEN ? AND ? AND +updated_at >= ?
  AND has_words(title, body, ?)`;

function prepareStatements(connection: Sqlite.Database, turns: Mutex, { read, forget }: TrustedReads): Statements {
  const prepare = <Row>(sql: string) => connection.prepare<unknown[], Row>(sql);
  const findTokenUser = prepare<StoredUser & StoredToken>(SQL.findTokenUser);
  const noteTokenUse = prepare(SQL.noteTokenUse);
  const findSessionUser = prepare<StoredUser>(SQL.findSessionUser);
  const readAny = prepare<StoredTodo>(SQL.readAny);
  const readOwn = prepare<StoredTodo>(SQL.readOwn);
  const add = prepare<StoredTodo>(SQL.add);
  const findAnswer = prepare<Omit<KeyedAnswer, 'isReplay'>>(SQL.findAnswer);
  const keepAnswer = prepare(SQL.keepAnswer);
  // What another process has under way is over when a write of this one begins.
  const underWay = new Set<string>();
  const write = groupWrites(connection, turns, forget);
  connection.function('has_words', { deterministic: true }, makeWordFinder());
  const prepared = new Map<string, Sqlite.Statement<unknown[]>>();

  /** For what has many forms: prepared on first use. */
  function prepareOnce<Row>(sql: string): Sqlite.Statement<unknown[], Row> {
    const statement = prepared.get(sql) ?? prepare(sql);
    prepared.set(sql, statement);
    return statement as Sqlite.Statement<unknown[], Row>;
  }

  function readTodo(viewer: Viewer, id: number): TodoRow | undefined {
    return toRow(viewer.isSuperuser ? readAny.get(id) : readOwn.get(id, viewer.id));
  }

  function readPage(viewer: Viewer, query: ListQuery): Page {
    const { limit, filter } = query;
    const owner = ownerOf(viewer);
    const isOwn = owner.length > 0;
    let scan = planScan(query);
    let end: Position | undefined;
    if (filter) {
      const size = searchable(query);
      end = prepareOnce<Position>(scanEndSql(scan, isOwn, size.length > 0))
        .raw()
        .get(...owner, ...scan.over, ...scan.under, ...size);
      if (end) scan = endScan(scan, end);
    }
    const rows = prepareOnce<[json: string, ...Position]>(scanSql(scan, isOwn, filter !== undefined)).raw();
    const values = [...owner, ...scan.over, ...scan.under, ...(filter ? filterValues(filter) : []), limit + 1];
    return fillPage(query, scan, rows.iterate(...values), end);
  }

  function addTodo(ownerId: number, { title, body, is_completed, date_created }: TodoFields): TodoRow {
    return toRow(firstOf(add.all(ownerId, title, body, Number(is_completed), date_created)) as StoredTodo);
  }

  function findKept(userId: number, key: string): KeyedAnswer | undefined {
    const kept = findAnswer.get(userId, key);
    return kept && { ...kept, isReplay: true };
  }

  // In the transaction of its group a savepoint: a failure of its second write undoes the first.
  const addTodoOnce = connection.transaction(
    (ownerId: number, fields: TodoFields, { key, fingerprint }: KeyedRequest): KeyedAnswer => {
      // Another process may have been first.
      const kept = findKept(ownerId, key);
      if (kept) return kept;
      const answer = JSON.stringify(addTodo(ownerId, fields));
      keepAnswer.run(ownerId, key, fingerprint, answer);
      return { fingerprint, answer, isReplay: false };
    },
  );

  const nameOf = (viewer: Viewer) => (viewer.isSuperuser ? 'any' : viewer.id);

  return {
    async findTokenUser(digest) {
      const user = await read(`token ${digest}`, () => toTokenUser(findTokenUser.get(digest)));
      return hasExpired(user?.credential) ? undefined : user;
    },
    noteTokenUse: (id, before) => write(() => void noteTokenUse.run(id, before.toISOString().replace('Z', '+00:00'))),
    findSessionUser: (sid, userId) =>
      read(`session ${sid} ${userId}`, () => toSessionUser(sid, findSessionUser.get(sid, userId))),
    pageTodos: (viewer, query) =>
      read(
        `page ${nameOf(viewer)} ${JSON.stringify(query)}`,
        () => readPage(viewer, query),
        ({ json }) => json.length,
      ),
    readTodo: (viewer, id) =>
      read(
        `todo ${nameOf(viewer)} ${id}`,
        () => readTodo(viewer, id),
        (todo) => (todo?.body.length ?? 0) + 300,
      ),
    addTodo: (ownerId, fields) => write(() => addTodo(ownerId, fields)),
    async addTodoOnce(ownerId, fields, request) {
      const name = `${ownerId} ${request.key}`;
      const kept = findKept(ownerId, request.key);
      if (kept || underWay.has(name)) return kept;
      underWay.add(name);
      try {
        return await write(() => addTodoOnce(ownerId, fields, request));
      } finally {
        underWay.delete(name);
      }
    },
    changeTodo: (viewer, id, fields, expected) =>
      write(() => {
        const columns = TODO_COLUMNS.filter((column) => fields[column] !== undefined);
        if (columns.length === 0) return readTodo(viewer, id);
        const values = columns.map((column) => (column === 'is_completed' ? Number(fields[column]) : fields[column]));
        const statement = prepareOnce<StoredTodo>(changeSql(columns, !viewer.isSuperuser, expected !== undefined));
        return toRow(firstOf(statement.all(...values, ...whichValues(viewer, id, expected))));
      }),
    removeTodo: (viewer, id, expected) =>
      write(() => {
        const statement = prepareOnce(removeSql(!viewer.isSuperuser, expected !== undefined));
        return statement.run(...whichValues(viewer, id, expected)).changes === 1;
      }),
  };
}

function whichValues(viewer: Viewer, id: number, expected: TodoRow | undefined): unknown[] {
  if (!expected) return [id, ...ownerOf(viewer)];
  const { title, body, is_completed, date_created, last_modified, owner } = expected;
  return [id, ...ownerOf(viewer), title, body, Number(is_completed), date_created, last_modified, owner];
}

function filterValues({ isCompleted, createdAfter, createdBefore, modifiedSince, words }: Filter): unknown[] {
  return [
    isCompleted === undefined ? null : Number(isCompleted),
    createdAfter ?? '',
    createdBefore ?? '9999-12-31',
    modifiedSince ?? '',
    words?.join(' ') ?? '',
  ];
}

/** `get` would stop at the row that RETURNING gives, and not run the statement to its end. */
function firstOf<Row>(rows: Row[]): Row | undefined {
  return rows[0];
}

type StoredTodo = Omit<TodoRow, 'is_completed'> & { is_completed: 0 | 1 };
type StoredUser = { id: number; is_active: 0 | 1; is_superuser: 0 | 1 };
type StoredToken = { token_id: number; scopes: string | null; last_used_at: string | null; expires_at: string | null };

function toRow(stored: StoredTodo): TodoRow;
function toRow(stored: StoredTodo | undefined): TodoRow | undefined;
function toRow(stored: StoredTodo | undefined): TodoRow | undefined {
  return stored && { ...stored, is_completed: stored.is_completed === 1 };
}

function toTokenUser(stored: (StoredUser & StoredToken) | undefined): LiveUser | undefined {
  if (!stored) return undefined;
  const { token_id: id, scopes, last_used_at, expires_at } = stored;
  const credential = {
    kind: 'token',
    id,
    scopes: scopes?.split(' ') ?? null,
    lastUsedAt: last_used_at === null ? null : new Date(last_used_at),
    expiresAt: expires_at === null ? null : new Date(expires_at),
  } as const;
  return { ...toUser(stored), credential };
}

function toSessionUser(sid: string, stored: StoredUser | undefined): LiveUser | undefined {
  return stored && { ...toUser(stored), credential: { kind: 'session', id: sid, scopes: null } };
}

function toUser({ id, is_active, is_superuser }: StoredUser) {
  return { id, isActive: is_active === 1, isSuperuser: is_superuser === 1 };
}

/** What was read before may have expired since. */
function hasExpired(credential: Credential | undefined): boolean {
  return credential?.kind === 'token' && credential.expiresAt !== null && credential.expiresAt.getTime() <= Date.now();
}
