import { defineConfig } from 'prisma/config';

// The CLI fetches a schema engine even for what needs none; any program that
// exists stops it from looking. `generate`, `validate` and `studio` never run it.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations/sqlite' },
  datasource: { url: process.env.DATABASE_URL ?? 'file:./data/todo.db' },
});
