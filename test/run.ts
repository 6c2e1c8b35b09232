import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { inspect } from 'node:util';
import { startPostgresql } from './postgresql.ts';

/**
 * Runs the whole suite twice: on SQLite, and on PostgreSQL, the one of TEST_DATABASE_URL or else one
 * that is started for it. Arguments are test files, instead of all. What failed on either is told
 * together at the end.
 */
const given = process.argv.slice(2);
const files = given.length > 0 ? given : ['src', 'plugins', 'routes'].flatMap(testFiles);

function testFiles(room: string): string[] {
  const directory = join(import.meta.dirname, room);
  return readdirSync(directory)
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(directory, name));
}

/** Runs it on the PostgreSQL of `url`, or on SQLite; what failed, each with its reason. */
async function failuresOn(title: string, url?: string): Promise<string[]> {
  console.log(`\n${title}`);
  if (url === undefined) delete process.env.TEST_DATABASE_URL;
  else process.env.TEST_DATABASE_URL = url;
  const failures: string[] = [];
  const tests = run({ files, concurrency: 2, timeout: 600_000 });
  tests.on('test:fail', ({ name, file, line, details, todo }) => {
    const error = details.error as Error & { failureType?: string };
    // A group fails for the tests in it, and these are told themselves.
    if (todo !== undefined || error.failureType === 'subtestsFailed') return;
    const place = file === undefined ? '' : ` (${relative(process.cwd(), file)}:${line ?? 1})`;
    failures.push(`${title}: ${name}${place}\n${inspect(error.cause ?? error)}`);
  });
  const report = tests.compose(new spec());
  report.pipe(process.stdout, { end: false });
  await once(report, 'end');
  return failures;
}

const url = process.env.TEST_DATABASE_URL;
const failures = await failuresOn('SQLite');
const server = url === undefined ? await startPostgresql() : undefined;
failures.push(...(await failuresOn('PostgreSQL', url ?? server?.url)));
await server?.remove();
console.log(
  failures.length === 0 ? '\nAll passed, on both.' : `\nFailed: ${failures.length}\n\n${failures.join('\n\n')}`,
);
// Said outright: what ends the server with the process would make it 0 otherwise.
process.exit(failures.length === 0 ? 0 : 1);
