import { existsSync } from 'node:fs';
import type { Config } from '../config.ts';
import { type AppliedMigration, SELECT_APPLIED } from './migrations.ts';
import { databasePath, isSqlite } from './url.ts';

/** A look at a database that makes and changes nothing. */
export interface View {
  select<Row>(sql: string): Promise<Row[]>;
  /** The migrations that were applied; none where the database is new. */
  applied(): Promise<AppliedMigration[]>;
  close(): Promise<void>;
}

/** Opens the configured database, of whatever version it be, for reading alone; a SQLite file must be there. */
export function viewDatabase(config: Config): Promise<View> {
  return isSqlite(config.DATABASE_URL) ? viewSqlite(databasePath(config.DATABASE_URL)) : viewPostgresql(config);
}

async function viewSqlite(path: string): Promise<View> {
  const { default: Sqlite } = await import('better-sqlite3');
  // Where no log of writes is, even reading makes one, and only who may write removes it at the end.
  const connection = new Sqlite(path, { fileMustExist: true, readonly: existsSync(`${path}-wal`) });
  connection.pragma('query_only = ON');
  const select = async <Row>(sql: string) => connection.prepare<[], Row>(sql).all();
  return withMigrations(select, "SELECT 1 FROM sqlite_master WHERE name = '_prisma_migrations'", async () => {
    connection.close();
  });
}

async function viewPostgresql({ DATABASE_URL, DATABASE_TIMEOUT }: Config): Promise<View> {
  const { Client } = await import('pg');
  const client = new Client({
    connectionString: DATABASE_URL,
    connectionTimeoutMillis: DATABASE_TIMEOUT,
    statement_timeout: DATABASE_TIMEOUT,
    query_timeout: DATABASE_TIMEOUT + 1000,
  });
  // What breaks the connection fails the statement that waits on it, too.
  client.on('error', () => {});
  const select = async <Row>(sql: string) => (await client.query(sql)).rows as Row[];
  try {
    await client.connect();
    await client.query('BEGIN READ ONLY');
  } catch (error) {
    client.end().catch(() => {});
    throw error;
  }
  return withMigrations(select, "SELECT 1 WHERE to_regclass('_prisma_migrations') IS NOT NULL", () => client.end());
}

function withMigrations(select: View['select'], findTable: string, close: View['close']): View {
  return {
    select,
    applied: async () => ((await select(findTable)).length > 0 ? select<AppliedMigration>(SELECT_APPLIED) : []),
    close,
  };
}
