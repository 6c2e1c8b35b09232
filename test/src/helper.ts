import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { Pool } from 'pg';
import { runCommand } from '../../src/commands/index.ts';
import type { Shell } from '../../src/console.ts';
import { type Database, databasePath, isSqlite, type ListQuery, openDatabase } from '../../src/database/index.ts';
import { administrate, configure, inDatabase, makeDatabase, SECRET_KEY, temporaryDirectory, until } from '../helper.ts';

/** A new database, closed and gone after the test. */
export async function open(t: Pick<TestContext, 'after'>): Promise<Database> {
  const database = await openDatabase(configure(await makeDatabase(t)));
  t.after(() => database.close());
  return database;
}

/** The settings of a database with nothing in it; on SQLite its file is not even there. */
export async function makeEmptyDatabase(t: Pick<TestContext, 'after'>): Promise<Record<string, string>> {
  const server = process.env.TEST_DATABASE_URL;
  if (!server) return { DATABASE_URL: `file:${join(temporaryDirectory(t), 'todo.db')}` };
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administrate(server, `CREATE DATABASE ${name}`);
  t.after(() => administrate(server, `DROP DATABASE ${name} WITH (FORCE)`));
  return { DATABASE_URL: inDatabase(server, name) };
}

/** A driver's own connection to a database, past Prisma and the service. */
export interface Raw {
  execute(sql: string): Promise<void>;
  // biome-ignore lint/suspicious/noExplicitAny: the tests know what they asked for
  select(sql: string): Promise<any[]>;
  connection: Sqlite.Database | Pool;
}

export function connect(t: Pick<TestContext, 'after'>, { DATABASE_URL: url = '' }: Record<string, string>): Raw {
  if (isSqlite(url)) {
    const connection = new Sqlite(databasePath(url));
    t.after(() => connection.close());
    connection.pragma('foreign_keys = ON');
    return {
      execute: async (sql) => void connection.exec(sql),
      select: async (sql) => connection.prepare(sql).all(),
      connection,
    };
  }
  const connection = new Pool({ connectionString: url, max: 1 });
  // The database may be dropped before.
  connection.on('error', () => {});
  t.after(() => connection.end());
  return {
    execute: async (sql) => void (await connection.query(sql)),
    select: async (sql) => (await connection.query(sql)).rows,
    connection,
  };
}

/** A list by id, and what else is asked of it. */
export function listQuery(query: Partial<ListQuery>): ListQuery {
  return { order: 'id', isDescending: false, limit: 1000, ...query };
}

/** A user who cannot log in, made without the cost of a hash. */
export function insertUser({ prisma }: Pick<Database, 'prisma'>, username: string, { isSuperuser = false } = {}) {
  return prisma.user.create({ data: { username, password: 'none', isSuperuser } });
}

export const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

export interface Run {
  directory: string;
  settings?: Record<string, string>;
  input?: string;
  /** a command and its arguments that run the console */
  wrapper?: string[];
}
export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts the console in a directory, with `todo.db` in it as the database and only these settings. */
export function start(args: string[], { directory, settings, wrapper = [] }: Run): ChildProcess {
  const [command = '', ...before] = [...wrapper, process.execPath];
  return spawn(command, [...before, CLI, ...args], { cwd: directory, env: environment(settings) });
}

/**
 * Runs a command of the console in this process, as `run` does in one of its own. Commands that run at the same time
 * must do so in the same directory.
 */
export async function call(
  args: string[],
  { directory, settings, input = '' }: Omit<Run, 'wrapper'>,
): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const shell: Shell = { env: environment(settings), stdin: Readable.from([input]), stdout, stderr };
  const leave = enter(directory);
  try {
    await runCommand(args, shell);
  } finally {
    leave();
  }
  const texts = await Promise.all([stdout.end(), stderr.end()].map((stream) => text(stream)));
  return { code: Number(shell.exitCode ?? 0), stdout: texts[0] as string, stderr: texts[1] as string };
}

const HOME = process.cwd();
let within = 0;

/** Makes a directory the one of this process, until all who entered it have left it. */
function enter(directory: string): () => void {
  if (within++ === 0) process.chdir(directory);
  assert.equal(process.cwd(), realpathSync(directory), 'another command runs elsewhere at the same time');
  return () => {
    if (--within === 0) process.chdir(HOME);
  };
}

export function environment(settings: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, NODE_V8_COVERAGE } = process.env;
  return { PATH, ...(NODE_V8_COVERAGE && { NODE_V8_COVERAGE }), DATABASE_URL: 'file:todo.db', SECRET_KEY, ...settings };
}

/** Runs a command of the console to its end, in a process of its own. */
export async function run(args: string[], options: Run): Promise<Outcome> {
  return outcome(start(args, options), options.input);
}

/** What a process that was just started has printed, once it is over. */
export async function outcome(child: ChildProcess, input = ''): Promise<Outcome> {
  // A command that does not read its input may be over before it is written.
  child.stdin?.on('error', () => {}).end(input);
  const [[code], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout as NodeJS.ReadableStream),
    text(child.stderr as NodeJS.ReadableStream),
  ]);
  return { code, stdout, stderr };
}

export interface Server {
  child: ChildProcess;
  origin: string;
  /** Everything that it has written so far. */
  log(): string;
  /** Waits until it has written it. */
  untilLogged(pattern: RegExp): Promise<void>;
}

/** Starts the server on a free port, and gives it when it listens; ended after the test. */
export async function startServer(t: Pick<TestContext, 'after'>, options: Run, args: string[] = []): Promise<Server> {
  const child = start(['serve', ...args], {
    ...options,
    settings: { HOST: '127.0.0.1', PORT: '0', ...options.settings },
  });
  const exit = once(child, 'exit');
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exit;
  });
  let log = '';
  const origin = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      log += chunk;
      const [, address] = /API: (http:\/\/[^/]+)/.exec(log) ?? [];
      if (address) resolve(address);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    exit.then(([code]) => reject(new Error(`The server ended with ${code}:\n${log}`)));
  });
  const untilLogged = (pattern: RegExp) => until(`the log has ${pattern}`, () => pattern.test(log));
  return { child, origin, log: () => log, untilLogged };
}
