import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';

/** The database does not fit this version of the service; the message says why. */
export class MigrationError extends Error {}

interface Migration {
  name: string;
  sql: string;
  /** SHA-256 of the file, in hex, as Prisma computes it */
  checksum: string;
}

// Prisma's own table, so that `prisma migrate deploy` and `status` agree with what stands here.
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

/**
 * Applies the committed migrations that the database does not have yet, each in a transaction of its
 * own that locks out a second runner; gives their names.
 * @throws {MigrationError} where an applied migration was changed, or is unknown to this version
 */
export function migrate(database: Database.Database, directory: string): string[] {
  const migrations = readMigrations(directory);
  const applied: string[] = [];
  const applyNext = database.transaction(() => {
    database.exec(MIGRATIONS_TABLE);
    const next = migrations[countApplied(database, migrations)];
    if (!next) return undefined;
    const startedAt = Date.now();
    database.exec(next.sql);
    database
      .prepare(
        `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
         VALUES (?, ?, ?, ?, ?, 1)`,
      )
      .run(randomUUID(), next.checksum, next.name, startedAt, Date.now());
    return next.name;
  });
  for (let name = applyNext.immediate(); name; name = applyNext.immediate()) applied.push(name);
  return applied;
}

function countApplied(database: Database.Database, migrations: Migration[]): number {
  const rows = database
    .prepare<[], { name: string; checksum: string; finished_at: number | null }>(
      `SELECT migration_name AS name, checksum, finished_at FROM _prisma_migrations
       WHERE rolled_back_at IS NULL ORDER BY migration_name`,
    )
    .all();
  rows.forEach((row, index) => {
    const migration = migrations[index];
    if (row.name !== migration?.name) {
      throw new MigrationError(
        `The database holds migration ${row.name}, which this version of the service does not know.`,
      );
    }
    if (row.checksum !== migration.checksum) {
      throw new MigrationError(`Migration ${row.name} was changed after it had been applied to the database.`);
    }
    if (row.finished_at === null) throw new MigrationError(`Migration ${row.name} was begun and not finished.`);
  });
  return rows.length;
}

function readMigrations(directory: string): Migration[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const sql = readFileSync(join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });
}
