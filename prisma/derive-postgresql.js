import { readFileSync, writeFileSync } from 'node:fs';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');

/** The PostgreSQL twin of the SQLite schema, which is the one edited by hand. */
export function derivePostgresqlSchema() {
  return (
    read('schema.prisma')
      .replace(/^\/\/ The models.*?\n\n/s, '// Derived from ../schema.prisma by derive-postgresql.js. Do not edit.\n\n')
      .replace('"../src/database/generated/sqlite"', '"../../src/database/generated/postgresql"')
      .replace('provider = "sqlite"', 'provider = "postgresql"')
      // SQLite has the id at the end of every index by itself.
      .replace(/(@@index\(\[(?:ownerId, )?(?:updatedAt|title))\]/g, '$1, id]')
  );
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(new URL('postgresql/schema.prisma', import.meta.url), derivePostgresqlSchema());
}
