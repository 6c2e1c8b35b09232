import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgresql } from './postgresql.ts';

/**
 * Runs the whole suite twice: on SQLite, and on PostgreSQL, the one of TEST_DATABASE_URL or else one
 * that is started for it. Arguments are test files, instead of all.
 */
const given = process.argv.slice(2);
const files = given.length > 0 ? given : ['src', 'plugins', 'routes'].flatMap(testFiles);

function testFiles(room: string): string[] {
  const directory = join(import.meta.dirname, room);
  return readdirSync(directory)
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(directory, name));
}

async function runSuite(title: string, env: Record<string, string>): Promise<boolean> {
  console.log(`\n${title}`);
  const { TEST_DATABASE_URL: _, ...inherited } = process.env;
  const child = spawn(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=600000', ...files], {
    stdio: 'inherit',
    env: { ...inherited, ...env },
  });
  const [code] = await once(child, 'exit');
  return code === 0;
}

const onSqlite = await runSuite('SQLite', {});
const server = process.env.TEST_DATABASE_URL ? undefined : await startPostgresql();
const url = process.env.TEST_DATABASE_URL ?? (server?.url as string);
const onPostgresql = await runSuite('PostgreSQL', { TEST_DATABASE_URL: url });
await server?.remove();
// Said outright: what ends the server with the process would make it 0 otherwise.
process.exit(onSqlite && onPostgresql ? 0 : 1);
