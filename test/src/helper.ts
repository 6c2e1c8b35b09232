import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Database, openDatabase } from '../../src/database/index.ts';
import { configure, makeDatabase, SECRET_KEY } from '../helper.ts';

/** A new database, closed and gone after the test. */
export async function open(t: Pick<TestContext, 'after'>): Promise<Database> {
  const database = await openDatabase(configure(await makeDatabase(t)));
  t.after(() => database.close());
  return database;
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
}
export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts the console in a directory, with `todo.db` in it as the database and only these settings. */
export function start(args: string[], { directory, settings }: Run): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], { cwd: directory, env: environment(settings) });
}

export function environment(settings: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, NODE_V8_COVERAGE } = process.env;
  return { PATH, ...(NODE_V8_COVERAGE && { NODE_V8_COVERAGE }), DATABASE_URL: 'file:todo.db', SECRET_KEY, ...settings };
}

/** Runs a command of the console to its end. */
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
  return { child, origin, log: () => log };
}
