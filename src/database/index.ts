import type { Config } from '../config.ts';
import { openPostgresql } from './postgresql.ts';
import { openSqlite } from './sqlite.ts';
import type { Database } from './statements.ts';

export { describeFault, isMissing, isUnavailable, isUniqueViolation } from './errors.ts';
export type { Prisma } from './extend.ts';
export { MigrationError } from './migrations.ts';
export { databasePath } from './sqlite.ts';
export type { Database, TodoFields, TodoRow, Viewer } from './statements.ts';

/** Whether the configured database is a SQLite file, and so this machine's own. */
export function isSqlite(url: string): boolean {
  return url.startsWith('file:');
}

/**
 * Opens the configured database. A SQLite file is made and brought to this version where needed; a
 * PostgreSQL database only where `migrate` is set.
 * @throws {MigrationError} where the database does not fit this version of the service
 */
export async function openDatabase(config: Config, options: { migrate?: boolean } = {}): Promise<Database> {
  return isSqlite(config.DATABASE_URL) ? openSqlite(config.DATABASE_URL) : openPostgresql(config, options);
}
