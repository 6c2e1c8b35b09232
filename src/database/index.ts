import type { Config } from '../config.ts';
import type { Database } from './statements.ts';
import { isSqlite } from './url.ts';

export { describeFault, isMissing, isUnavailable, isUniqueViolation } from './errors.ts';
export type { Prisma } from './extend.ts';
export { MigrationError } from './migrations.ts';
export type { Filter, ListQuery, Order, Page, Position } from './pages.ts';
export type {
  Credential,
  Database,
  KeyedAnswer,
  KeyedRequest,
  LiveUser,
  PoolUse,
  TodoFields,
  TodoRow,
  Viewer,
} from './statements.ts';
export { databasePath, isSqlite } from './url.ts';

/**
 * Opens the configured database. A SQLite file is made and brought to this version where needed; a
 * PostgreSQL database only where `migrate` is set.
 * @throws {MigrationError} where the database does not fit this version of the service
 */
export async function openDatabase(config: Config, options: { migrate?: boolean } = {}): Promise<Database> {
  // Only the provider that is used is loaded.
  if (isSqlite(config.DATABASE_URL)) return (await import('./sqlite.ts')).openSqlite(config.DATABASE_URL);
  return (await import('./postgresql.ts')).openPostgresql(config, options);
}
