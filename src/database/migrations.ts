import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packagePath } from '../package.ts';

/** The database does not fit this version of the service; the message says why. */
export class MigrationError extends Error {}

export interface Migration {
  name: string;
  sql: string;
  /** SHA-256 of the file, in hex, as Prisma computes it */
  checksum: string;
}

/** A row of Prisma's own table, which these migrations keep as `prisma migrate deploy` does. */
export interface AppliedMigration {
  migration_name: string;
  checksum: string;
  finished_at: unknown;
}

export const SELECT_APPLIED = `SELECT migration_name, checksum, finished_at FROM _prisma_migrations
  WHERE rolled_back_at IS NULL ORDER BY migration_name`;

/** The committed migrations of a provider, in order. */
export function readMigrations(provider: 'sqlite' | 'postgresql'): Migration[] {
  const directory = packagePath(`prisma/migrations/${provider}`);
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const sql = readFileSync(join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });
}

/**
 * The first migration that a database does not have yet; undefined where it has all.
 * @throws {MigrationError} where an applied one was changed, not finished, or is unknown to this version
 */
export function findNextMigration(migrations: Migration[], applied: AppliedMigration[]): Migration | undefined {
  applied.forEach(({ migration_name: name, checksum, finished_at }, index) => {
    const migration = migrations[index];
    if (name !== migration?.name) {
      if (migration && migrations.some((other) => other.name === name)) {
        throw new MigrationError(
          `Migration ${migration.name} comes before ${name}, which is applied already. Give it a later time.`,
        );
      }
      throw new MigrationError(`The database has migration ${name}, which this version of the service does not know.`);
    }
    if (checksum !== migration.checksum) {
      throw new MigrationError(`Migration ${name} was changed after it had been applied to the database.`);
    }
    if (finished_at === null) throw new MigrationError(`Migration ${name} was begun and not finished.`);
  });
  return migrations[applied.length];
}
