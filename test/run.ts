import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dropTemplate, makeTemplate } from './helper.ts';
import { startPostgresql } from './postgresql.ts';
import {
  DATABASES,
  type Database,
  type Job,
  keyOf,
  type Outcome,
  readFormer,
  runFile,
  writeOutcomes,
} from './run-file.ts';

/**
 * Runs the test files, each in a process of its own, one more at once than there are cores.
 *
 * The end of a file's name says where it runs:
 * - `*.test.ts`: on SQLite and on PostgreSQL;
 * - `*.once.test.ts`: on SQLite. Its outcome does not depend on the database;
 * - `*.e2e.test.ts`: only with `--all`. It starts a browser, a container's commands or a second copy of the project.
 *
 * With `--all` every file runs on both databases. With words, the files whose names hold one of them run on SQLite, or
 * with `--postgresql` on PostgreSQL. `--grep` chooses tests by a regular expression.
 */
const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean' }, postgresql: { type: 'boolean' }, grep: { type: 'string' } },
});

const SLOWEST = 10;
const NEEDED_BYTES = 2 ** 31;

function runsOn(database: Database, name: string): boolean {
  if (words.length > 0) {
    return database === (options.postgresql ? 'PostgreSQL' : 'SQLite') && words.some((word) => name.includes(word));
  }
  if (options.postgresql && database === 'SQLite') return false;
  return options.all || !(name.endsWith('.e2e') || (name.endsWith('.once') && database === 'PostgreSQL'));
}

function findJobs(): Job[] {
  const files = ['src', 'plugins', 'routes'].flatMap((room) =>
    readdirSync(join(import.meta.dirname, room), { encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.js'))
      .map((file) => join(room, file)),
  );
  return DATABASES.flatMap((database) =>
    files
      .map((file) => ({ name: file.replace(/\.test\.js$/, ''), path: join(import.meta.dirname, file), database }))
      .filter(({ name }) => runsOn(database, name)),
  );
}

/** The longest first, as the last run had them. */
function longestFirst(jobs: Job[], former: Outcome[]): Job[] {
  const seconds = new Map(former.map((outcome) => [keyOf(outcome), outcome.seconds]));
  // A file that never ran is taken to last a second for 8 KB.
  const length = (job: Job) => seconds.get(keyOf(job)) ?? statSync(job.path).size / 8192;
  return jobs.toSorted((one, other) => length(other) - length(one));
}

/** Has one worker more than there are cores, as tests often wait, take one job after the other. */
async function runAll(jobs: Job[], environments: Record<Database, NodeJS.ProcessEnv>): Promise<Outcome[]> {
  const waiting = [...jobs];
  const outcomes: Outcome[] = [];
  const work = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      outcomes.push(await runFile(job, environments[job.database], options.grep));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, work));
  return outcomes;
}

/** Tells the slowest files, what failed, and how many tests there were. Returns whether all passed. */
function report(outcomes: Outcome[], seconds: number): boolean {
  const tests = outcomes.flatMap((job) => job.tests.map((test) => ({ ...test, file: keyOf(job) })));
  const having = (wanted: string) => tests.filter(({ outcome }) => outcome === wanted);
  const slowest = outcomes.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST);
  if (outcomes.length > 1) console.log('\nThe slowest files:');
  if (outcomes.length > 1)
    for (const job of slowest) console.log(`${job.seconds.toFixed(1).padStart(7)} s  ${keyOf(job)}`);
  const failed = having('failed');
  if (failed.length > 0) console.log('\nFailed:');
  for (const { file, name } of failed) console.log(`✖ ${file}: ${name}`);
  const counts = `${having('passed').length} passed, ${failed.length} failed, ${having('skipped').length} skipped`;
  console.log(`\n${tests.length} tests: ${counts}. ${outcomes.length} files in ${Math.round(seconds)} s.`);
  return failed.length === 0 && tests.length > 0;
}

/** A directory for the files of all tests: in memory where there is room, as they make and sync so many. */
function makeScratch(): string {
  const memory = '/dev/shm';
  const { bavail = 0, bsize = 0 } = existsSync(memory) ? statfsSync(memory) : {};
  const directory = mkdtempSync(join(bavail * bsize > NEEDED_BYTES ? memory : tmpdir(), 'todo-api-tests-'));
  // PostgreSQL runs as another user than root.
  chmodSync(directory, 0o755);
  process.once('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

async function main(): Promise<boolean> {
  const begin = performance.now();
  process.env.TMPDIR = makeScratch();
  const jobs = findJobs();
  if (jobs.length === 0) {
    console.error(`No test file has ${words.join(' or ')} in its name.`);
    return false;
  }
  const { TEST_DATABASE_URL: given, ...env } = process.env;
  const isNeeded = (wanted: Database) => jobs.some(({ database }) => database === wanted);
  const server = isNeeded('PostgreSQL') && !given ? await startPostgresql() : undefined;
  const environments: Record<Database, NodeJS.ProcessEnv> = {
    SQLite: { ...env },
    PostgreSQL: { ...env, TEST_DATABASE_URL: given ?? server?.url },
  };
  for (const database of DATABASES.filter(isNeeded)) {
    const env = environments[database];
    env.TEST_TEMPLATE = await makeTemplate(env.TEST_DATABASE_URL);
  }
  const former = readFormer();
  const outcomes = await runAll(longestFirst(jobs, former), environments);
  writeOutcomes(former, outcomes);
  if (given) await dropTemplate(given);
  await server?.remove();
  return report(outcomes, (performance.now() - begin) / 1000);
}

const code = (await main()) ? 0 : 1;
// Said outright, when all is written: what ends the server with the process would make it 0 otherwise.
process.stdout.write('', () => process.exit(code));
