import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import { Pool, type PoolClient, type QueryResultRow } from 'pg';
import type { Config } from '../config.ts';
import { isBrokenConnection, isUnprepared } from './errors.ts';
import { extend } from './extend.ts';
import { PrismaClient } from './generated/postgresql/client.ts';
import type { PrismaClient as SqliteClient } from './generated/sqlite/client.ts';
import { type GroupedReads, groupReads } from './group-reads.ts';
import {
  type AppliedMigration,
  findNextMigration,
  type Migration,
  MigrationError,
  readMigrations,
  SELECT_APPLIED,
} from './migrations.ts';
import {
  endScan,
  type Filter,
  fillPage,
  MAX_SCANNED,
  ORDERS,
  orderSql,
  type Position,
  planScan,
  type Scan,
  SEARCH_COST,
  searchable,
} from './pages.ts';
import {
  type Database,
  KEPT_FOR,
  type KeyedAnswer,
  type LiveUser,
  ownerOf,
  type Statements,
  TODO_COLUMNS,
  type TodoRow,
  type Viewer,
} from './statements.ts';

/**
 * Opens a PostgreSQL database with one bounded pool for Prisma and the prepared statements.
 * @throws {MigrationError} where its migrations are not those of this version, and `migrate` is not set
 */
export async function openPostgresql(config: Config, { migrate = false }): Promise<Database> {
  const pool = new Pool({
    connectionString: config.DATABASE_URL,
    max: config.DATABASE_POOL_SIZE,
    keepAlive: true,
    pipeline: true,
    // Nothing may wait without end: for a connection, for an answer, or on a forgotten transaction.
    connectionTimeoutMillis: config.DATABASE_TIMEOUT,
    statement_timeout: config.DATABASE_TIMEOUT,
    idle_in_transaction_session_timeout: config.DATABASE_TIMEOUT,
    // Where the server itself is gone without a word.
    query_timeout: config.DATABASE_TIMEOUT + 1000,
  });
  // A connection that breaks while it is idle is replaced on use.
  pool.on('error', () => {});
  try {
    const migrated = migrate ? await migratePostgresql(pool) : await checkMigrations(pool);
    const client = new PrismaClient({ adapter: new PrismaPg(pool) }) as unknown as SqliteClient;
    const reads = groupReads(pool);
    return {
      prisma: extend(client, prepareStatements(pool, reads, config.DATABASE_NAMED_STATEMENTS)),
      migrated,
      isWritable: async () => (await pool.query(IS_WRITABLE)).rows[0].writable,
      poolUse: () => ({
        total: pool.totalCount,
        idle: pool.idleCount,
        waiting: pool.waitingCount + reads.waiting(),
      }),
      async close() {
        await client.$disconnect();
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

const IS_WRITABLE = "SELECT current_setting('transaction_read_only') = 'off' AS writable";

/** Nothing was applied; throws where something should be. */
async function checkMigrations(pool: Pool): Promise<[]> {
  const table = await pool.query("SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exists");
  const applied = table.rows[0].exists ? (await pool.query<AppliedMigration>(SELECT_APPLIED)).rows : [];
  const next = findNextMigration(readMigrations('postgresql'), applied);
  if (next) throw new MigrationError(`The database lacks migration ${next.name}. Run: npx todo-api migrate`);
  return [];
}

/** Applies the migrations that are missing, each in a transaction of its own that locks out a second runner. */
export async function migratePostgresql(pool: Pool, migrations = readMigrations('postgresql')): Promise<string[]> {
  const client = await pool.connect();
  try {
    const migrated: string[] = [];
    for (;;) {
      const name = await applyNext(client, migrations);
      if (!name) return migrated;
      migrated.push(name);
    }
  } finally {
    client.release(true);
  }
}

async function applyNext(client: PoolClient, migrations: Migration[]): Promise<string | undefined> {
  try {
    await client.query('BEGIN');
    await client.query('SET LOCAL statement_timeout = 0');
    // The key of Prisma's own migrate; a lock of the transaction holds through pgbouncer, too.
    await client.query('SELECT pg_advisory_xact_lock(72707369)');
    await client.query(MIGRATIONS_TABLE);
    const { rows } = await client.query<AppliedMigration>(SELECT_APPLIED);
    const next = findNextMigration(migrations, rows);
    if (next) {
      await client.query(next.sql);
      await client.query(INSERT_APPLIED, [randomUUID(), next.checksum, next.name]);
    }
    await client.query('COMMIT');
    return next?.name;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

const MIGRATIONS_TABLE = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
  )`;
const INSERT_APPLIED = `
  INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
  VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`;

const COLUMNS = `id, title, body, is_completed, date_created,
  to_char(updated_at, 'YYYY-MM-DD') AS last_modified, owner_id AS owner`;
const USER = 'users.id, is_active AS "isActive", is_superuser AS "isSuperuser"';

const NOW = "now() AT TIME ZONE 'UTC'";
const utc = (column: string) => `${column} AT TIME ZONE 'UTC' AS ${column}`;

/** The statements of every request, under the names by which they are prepared. */
export const SQL = {
  findTokenUser: `SELECT ${USER}, api_tokens.id AS "tokenId", scopes, ${utc('last_used_at')}, ${utc('expires_at')}
    FROM api_tokens JOIN users ON users.id = user_id WHERE digest = $1 AND (expires_at IS NULL OR expires_at > ${NOW})`,
  noteTokenUse: `UPDATE api_tokens SET last_used_at = ${NOW}
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $2::timestamptz AT TIME ZONE 'UTC')`,
  findSessionUser: `SELECT ${USER} FROM sessions JOIN users ON users.id = user_id WHERE sessions.id = $1 AND user_id = $2`,
  readAny: `SELECT ${COLUMNS} FROM todos WHERE id = $1`,
  readOwn: `SELECT ${COLUMNS} FROM todos WHERE id = $1 AND owner_id = $2`,
  add: `INSERT INTO todos (owner_id, title, body, is_completed, date_created)
    VALUES ($1, $2, $3, $4, $5) RETURNING ${COLUMNS}`,
  // One statement, and so all of it or nothing. The lock, which ends with it, tells that the key is under way;
  // that there is one answer, the primary key sees to, which also takes the place of one that has expired.
  addOnce: `WITH
    todo AS MATERIALIZED (
      SELECT nextval('todos_id_seq')::int AS id, $2::text AS title, $3::text AS body, $4::boolean AS is_completed,
        $5::text AS date_created, to_char((${NOW})::timestamp(3), 'YYYY-MM-DD') AS last_modified, $1::int AS owner
      WHERE NOT EXISTS (SELECT FROM idempotency_keys WHERE user_id = $1 AND key = $6 AND expires_at > ${NOW})
        AND pg_try_advisory_xact_lock(hashtextextended($6, $1))
    ),
    kept AS (
      INSERT INTO idempotency_keys AS former (user_id, key, fingerprint, answer, expires_at)
      SELECT owner, $6, $7, row_to_json(todo), ${NOW} + interval '${KEPT_FOR}' FROM todo
      ON CONFLICT (user_id, key) DO UPDATE
      SET fingerprint = excluded.fingerprint, answer = excluded.answer, expires_at = excluded.expires_at
      WHERE former.expires_at <= ${NOW} RETURNING answer
    ),
    added AS (
      INSERT INTO todos (id, owner_id, title, body, is_completed, date_created)
      SELECT id, owner, title, body, is_completed, date_created FROM todo, kept
    )
    SELECT answer FROM kept`,
  findAnswer: `SELECT fingerprint, answer FROM idempotency_keys WHERE user_id = $1 AND key = $2 AND expires_at > ${NOW}`,
} as const;

/** Writes these columns and no other; the values are theirs, and those of `whichSql`. */
export function changeSql(columns: readonly string[], isOwn: boolean, isExpected: boolean): string {
  const assignments = columns.map((column) => `${column} = ?`);
  return numbered(`UPDATE todos SET ${assignments.join(', ')}, updated_at = ${NOW}, version = version + 1
    ${whichSql(isOwn, isExpected)} RETURNING ${COLUMNS}`);
}

export function removeSql(isOwn: boolean, isExpected: boolean): string {
  return numbered(`DELETE FROM todos ${whichSql(isOwn, isExpected)}`);
}

/** The todo of an id; where it must be theirs, of an owner; and as it is expected to be. */
function whichSql(isOwn: boolean, isExpected: boolean): string {
  const expectation =
    " AND (title, body, is_completed, date_created, to_char(updated_at, 'YYYY-MM-DD'), owner_id) = (?, ?, ?, ?, ?, ?)";
  return `WHERE id = ?${isOwn ? ' AND owner_id = ?' : ''}${isExpected ? expectation : ''}`;
}

/** The todos of a scan up to a limit, and of a filtered one those that pass. */
export function scanSql(scan: Scan, isOwn: boolean, isFiltered: boolean): string {
  const scanned = `${scannedSql(scan, isOwn)} ${orderSql(scan)}`;
  // The inner limit has the planner keep to the order's index, where it guesses that few todos pass.
  const filtered = `(SELECT * FROM todos ${scanned} LIMIT ${MAX_SCANNED}) AS todos WHERE ${PASSES} ${orderSql(scan)}`;
  return numbered(`SELECT ${COLUMNS}, ${POSITIONS[scan.order]} AS position
    FROM ${isFiltered ? filtered : `todos ${scanned}`} LIMIT ?`);
}

/** The last place that is looked at, where there is more; by a search, after a size too. */
export function scanEndSql(scan: Scan, isOwn: boolean, isSearch: boolean): string {
  const columns = `id, ${POSITIONS[scan.order]} AS position`;
  const scanned = `FROM todos ${scannedSql(scan, isOwn)}`;
  if (!isSearch) return numbered(`SELECT ${columns} ${scanned} ${orderSql(scan)} LIMIT 1 OFFSET ${MAX_SCANNED - 1}`);
  return numbered(`SELECT id, position FROM (SELECT ${columns}, row_number() OVER scan AS number,
      sum(${SEARCH_COST}) OVER scan AS size
      ${scanned} WINDOW scan AS (${orderSql(scan)} ROWS UNBOUNDED PRECEDING) LIMIT ${MAX_SCANNED}) AS scanned
    WHERE number = ${MAX_SCANNED} OR size > ? LIMIT 1`);
}

function scannedSql({ order }: Scan, isOwn: boolean): string {
  const columns = `(${ORDERS[order]})`;
  const values = `(${ORDERS[order].map((column) => `?::${TYPES[column]}`)})`;
  return `WHERE ${isOwn ? 'owner_id = ? AND ' : ''}${columns} > ${values} AND ${columns} < ${values}`;
}

// A place may be one beside the greatest id.
const TYPES = { id: 'bigint', updated_at: 'timestamp', title: 'text' } as const;

/** What places hold before the id. */
const POSITIONS = {
  id: 'NULL',
  last_modified: `to_char(updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"')`,
  title: 'title',
} as const;

// As SQLite's `has_words` does it.
const inCapitals = (text: string) => `upper(replace(${text}, 'ẞ', 'SS') COLLATE "und-x-icu")`;

// IS TRUE keeps an index from being used for this instead of for the order.
const PASSES = `is_completed = coalesce(?, is_completed) AND date_created BETWEEN ? AND ?
  AND (updated_at >= ?::timestamp) IS TRUE
  AND NOT EXISTS (SELECT FROM unnest(?::text[]) AS word
    WHERE strpos(${inCapitals('title || chr(10) || body')}, ${inCapitals('word')}) = 0)`;

/** Question marks as PostgreSQL has them. */
function numbered(sql: string): string {
  let number = 0;
  return sql.replace(/\?/g, () => `$${++number}`);
}

type ScannedRow = TodoRow & { position: string | null };

function* toJson(rows: ScannedRow[]): Generator<[json: string, ...Position]> {
  for (const { position, ...row } of rows) yield [JSON.stringify(row), ...toPosition(position, row.id)];
}

function toPosition(position: string | null, id: number): Position {
  return position === null ? [id] : [position, id];
}

type StoredUser = Omit<LiveUser, 'credential'>;
type StoredToken = { tokenId: number; scopes: string | null; last_used_at: Date | null; expires_at: Date | null };

type Read = <Row extends QueryResultRow>(name: string, text: string, values: unknown[]) => Promise<Row[]>;

function ignore() {}

/** A read may be asked again where its connection broke, or does not know its statement; a write might have been done. */
function refuseUnlessPassing(error: unknown): void {
  if (!isBrokenConnection(error) && !isUnprepared(error)) throw error;
}

function prepareStatements(pool: Pool, { ask }: GroupedReads, named: boolean): Statements {
  const toQuery = (name: string, text: string, values: unknown[]) =>
    named ? { name, text, values } : { text, values };

  function write<Row extends QueryResultRow>(name: string, text: string, values: unknown[]) {
    return pool.query<Row>(toQuery(name, text, values));
  }

  /** What is short is asked for with others. Asked again where its connection broke, or another failed it. */
  async function read<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    const { rows } = await ask<Row>(toQuery(name, text, values)).catch((error) => {
      refuseUnlessPassing(error);
      return write<Row>(name, text, values);
    });
    return rows;
  }

  /** Several reads of one moment, on a connection of their own; all asked again where it broke. */
  function readTogether<Result>(find: (read: Read) => Promise<Result>): Promise<Result> {
    const begin = async () => {
      const client = await pool.connect();
      // The reads themselves hear of it.
      client.on('error', ignore);
      let isDone = false;
      try {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
        const result = await find(async (...query) => (await client.query(toQuery(...query))).rows);
        await client.query('COMMIT');
        isDone = true;
        return result;
      } finally {
        client.off('error', ignore);
        client.release(!isDone);
      }
    };
    return begin().catch((error) => {
      refuseUnlessPassing(error);
      return begin();
    });
  }

  async function readTodo(viewer: Viewer, id: number): Promise<TodoRow | undefined> {
    const [row] = viewer.isSuperuser
      ? await read<TodoRow>('readAny', SQL.readAny, [id])
      : await read<TodoRow>('readOwn', SQL.readOwn, [id, viewer.id]);
    return row;
  }

  return {
    async findTokenUser(digest) {
      const [row] = await read<StoredUser & StoredToken>('findTokenUser', SQL.findTokenUser, [digest]);
      if (!row) return undefined;
      const { tokenId: id, scopes, last_used_at: lastUsedAt, expires_at: expiresAt, ...user } = row;
      return { ...user, credential: { kind: 'token', id, scopes: scopes?.split(' ') ?? null, lastUsedAt, expiresAt } };
    },
    async noteTokenUse(id, before) {
      await write('noteTokenUse', SQL.noteTokenUse, [id, before]);
    },
    async findSessionUser(sid, userId) {
      const [user] = await read<StoredUser>('findSessionUser', SQL.findSessionUser, [sid, userId]);
      return user && { ...user, credential: { kind: 'session', id: sid, scopes: null } };
    },
    async pageTodos(viewer, query) {
      const { order, limit, filter } = query;
      const owner = ownerOf(viewer);
      const isOwn = owner.length > 0;
      const scan = planScan(query);
      const name = `${order} ${scan.isDescending} ${isOwn}`;

      function readRows(read: Read, scan: Scan, given: unknown[]) {
        const isFiltered = filter !== undefined;
        const values = [...owner, ...scan.over, ...scan.under, ...given, limit + 1];
        return read<ScannedRow>(`scan ${name} ${isFiltered}`, scanSql(scan, isOwn, isFiltered), values);
      }

      if (!filter) return fillPage(query, scan, toJson(await readRows(read, scan, [])));
      const size = searchable(query);
      // Else what is added in between could push the last todos of the scan past its end.
      return readTogether(async (read) => {
        const values = [...owner, ...scan.over, ...scan.under, ...size];
        const statement = scanEndSql(scan, isOwn, size.length > 0);
        const [last] = await read<ScannedRow>(`end ${name} ${size.length}`, statement, values);
        const end = last && toPosition(last.position, last.id);
        const rows = await readRows(read, end ? endScan(scan, end) : scan, filterValues(filter));
        return fillPage(query, scan, toJson(rows), end);
      });
    },
    readTodo,
    async addTodo(ownerId, { title, body, is_completed, date_created }) {
      const { rows } = await write<TodoRow>('add', SQL.add, [ownerId, title, body, is_completed, date_created]);
      return rows[0] as TodoRow;
    },
    async addTodoOnce(ownerId, { title, body, is_completed, date_created }, { key, fingerprint }) {
      const values = [ownerId, title, body, is_completed, date_created, key, fingerprint];
      const [added] = (await write<{ answer: string }>('addOnce', SQL.addOnce, values)).rows;
      if (added) return { fingerprint, answer: added.answer, isReplay: false };
      const [kept] = await read<Omit<KeyedAnswer, 'isReplay'>>('findAnswer', SQL.findAnswer, [ownerId, key]);
      return kept && { ...kept, isReplay: true };
    },
    async changeTodo(viewer, id, fields, expected) {
      const columns = TODO_COLUMNS.filter((column) => fields[column] !== undefined);
      if (columns.length === 0) return readTodo(viewer, id);
      const form = [!viewer.isSuperuser, expected !== undefined] as const;
      const values = [...columns.map((column) => fields[column]), ...whichValues(viewer, id, expected)];
      const { rows } = await write<TodoRow>(`change ${columns} ${form}`, changeSql(columns, ...form), values);
      return rows[0];
    },
    async removeTodo(viewer, id, expected) {
      const form = [!viewer.isSuperuser, expected !== undefined] as const;
      const { rowCount } = await write(`remove ${form}`, removeSql(...form), whichValues(viewer, id, expected));
      return rowCount === 1;
    },
  };
}

function whichValues(viewer: Viewer, id: number, expected: TodoRow | undefined): unknown[] {
  if (!expected) return [id, ...ownerOf(viewer)];
  const { title, body, is_completed, date_created, last_modified, owner } = expected;
  return [id, ...ownerOf(viewer), title, body, is_completed, date_created, last_modified, owner];
}

function filterValues({ isCompleted, createdAfter, createdBefore, modifiedSince, words }: Filter): unknown[] {
  return [isCompleted, createdAfter ?? '', createdBefore ?? '9999-12-31', modifiedSince ?? '-infinity', words ?? []];
}
