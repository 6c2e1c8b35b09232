import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packagePath } from '../src/package.ts';
import type { TestResult } from './reporter.ts';

export const DATABASES = ['SQLite', 'PostgreSQL'] as const;
export type Database = (typeof DATABASES)[number];

/** A test file to run on a database. */
export interface Job {
  /** from the folder of the tests, without its ending */
  name: string;
  path: string;
  database: Database;
}

export interface Outcome extends Pick<Job, 'name' | 'database'> {
  seconds: number;
  tests: TestResult[];
}

const GIVE_UP_MS = 600_000;
const OUTCOMES = packagePath('node_modules/.cache/todo-api/tests.json');

export const keyOf = ({ name, database }: Pick<Job, 'name' | 'database'>) => `${name} on ${database}`;

/**
 * Runs a test file in a process of its own, and prints a line on it. What the file printed follows where a test failed.
 * `grep` chooses tests by a regular expression.
 */
export async function runFile(job: Job, env: NodeJS.ProcessEnv, grep?: string): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'todo-api-run-'));
  const [printed, reported] = [join(directory, 'printed'), join(directory, 'reported')];
  const output = openSync(printed, 'w');
  const begin = performance.now();
  const args = [
    ...['--test-reporter', 'spec', '--test-reporter-destination', 'stdout'],
    ...['--test-reporter', join(import.meta.dirname, 'reporter.js'), '--test-reporter-destination', reported],
    ...(grep === undefined ? [] : ['--test-name-pattern', grep]),
  ];
  const stdio = ['ignore', output, output] as const;
  const child = spawn(process.execPath, [...args, job.path], { env, stdio: [...stdio], timeout: GIVE_UP_MS });
  const [code, signal] = await once(child, 'exit');
  closeSync(output);
  const seconds = (performance.now() - begin) / 1000;
  const lines = readFileSync(reported, 'utf8').split('\n');
  const tests = lines.filter(Boolean).map((line): TestResult => JSON.parse(line));
  if (code !== 0 && tests.every(({ outcome }) => outcome !== 'failed')) {
    tests.push({ name: `the process ended by ${signal ?? `exit code ${code}`}`, outcome: 'failed' });
  }
  const hasFailed = tests.some(({ outcome }) => outcome === 'failed');
  console.log(`${hasFailed ? '✖' : '✔'} ${keyOf(job).padEnd(50)} ${seconds.toFixed(1).padStart(6)} s`);
  if (hasFailed) console.log(readFileSync(printed, 'utf8'));
  rmSync(directory, { recursive: true });
  return { name: job.name, database: job.database, seconds, tests };
}

/** The outcomes of former runs. */
export function readFormer(): Outcome[] {
  try {
    return JSON.parse(readFileSync(OUTCOMES, 'utf8'));
  } catch {
    return [];
  }
}

/** Keeps the outcomes of a run, and of the former ones those of other files. */
export function writeOutcomes(former: Outcome[], outcomes: Outcome[]): void {
  const fresh = new Set(outcomes.map(keyOf));
  mkdirSync(dirname(OUTCOMES), { recursive: true });
  writeFileSync(OUTCOMES, JSON.stringify([...former.filter((outcome) => !fresh.has(keyOf(outcome))), ...outcomes]));
}
