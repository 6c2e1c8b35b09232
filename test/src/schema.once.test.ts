import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { packagePath } from '../../src/package.ts';

test("PostgreSQL's schema is the one that is derived from SQLite's", async () => {
  const { derivePostgresqlSchema } = await import(pathToFileURL(packagePath('prisma/derive-postgresql.js')).href);
  assert.equal(readFileSync(packagePath('prisma/postgresql/schema.prisma'), 'utf8'), derivePostgresqlSchema());
});
