import { defineConfig } from 'prisma/config';

// The CLI fetches a schema engine even for what needs none; any program that
// exists stops it from looking. `generate`, `validate` and `studio` never run it.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

const url = process.env.DATABASE_URL ?? 'file:./data/todo.db';
const isSqlite = url.startsWith('file:');

export default defineConfig({
  schema: isSqlite ? 'prisma/schema.prisma' : 'prisma/postgresql/schema.prisma',
  migrations: { path: `prisma/migrations/${isSqlite ? 'sqlite' : 'postgresql'}` },
  datasource: { url },
});
