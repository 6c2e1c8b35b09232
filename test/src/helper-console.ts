import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { databasePath, openDatabase, type Prisma } from '../../src/database/index.ts';
import { configure, isOnPostgresql, makeDatabase, temporaryDirectory } from '../helper.ts';
import { call, insertUser, type Outcome, type Run, start } from './helper.ts';

export const done = (stdout: string): Outcome => ({ code: 0, stdout, stderr: '' });
export const failed = (message: string): Outcome => ({ code: 1, stdout: '', stderr: `todo-api: ${message}\n` });

export interface Stage {
  /** where commands run; on SQLite the database is in it */
  directory: string;
  settings: Record<string, string>;
  prisma: Prisma;
  /** Runs a command on the database to its end, in this process. */
  call(args: string[], options?: Omit<Run, 'directory' | 'wrapper'>): Promise<Outcome>;
  /** Starts the service on the database. */
  serve(settings?: Record<string, string>): Promise<Service>;
}

/** A database with the users that were asked for. */
export async function setUp(t: Pick<TestContext, 'after'>, usernames: string[] = []): Promise<Stage> {
  const settings = await makeDatabase(t);
  const directory = isOnPostgresql ? temporaryDirectory(t) : dirname(databasePath(settings.DATABASE_URL as string));
  const { prisma, close } = await openDatabase(configure(settings));
  t.after(close);
  for (const username of usernames) await insertUser({ prisma }, username);
  const withOthers = (others?: Record<string, string>) => ({ directory, settings: { ...settings, ...others } });
  return {
    directory,
    settings,
    prisma,
    call: (args, options = {}) => call(args, { ...options, ...withOthers(options.settings) }),
    serve: (others) => serve(t, withOthers(others)),
  };
}

export const HINT = 'There is no user yet. Make the first one: npx todo-api createsuperuser';

export interface Service {
  origin: string;
  child: ChildProcess;
  /** All that it has printed. */
  output(): string;
  until(pattern: RegExp): Promise<RegExpExecArray>;
}

/** A service that listens on a free port; stopped after the test. */
export async function serve(t: Pick<TestContext, 'after'>, { directory, settings }: Run): Promise<Service> {
  const child = start(['serve'], { directory, settings: { PORT: '0', SHUTDOWN_DELAY: '0', ...settings } });
  const output = follow([child.stdout, child.stderr]);
  t.after(() => child.kill('SIGKILL'));
  const [, origin] = await output.until(/"msg":"Documentation: (http:\S+)\/docs\/"/);
  return { origin: origin as string, child, output: output.text, until: output.until };
}

/** Stops a service; gives its exit code. */
export async function stop({ child }: Service, signal: NodeJS.Signals): Promise<number> {
  child.kill(signal);
  const [code] = await once(child, 'close');
  return code;
}

export function messages(output: string): string[] {
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).msg);
}

/** What is printed, as it comes. */
export function follow(streams: (Readable | null)[]) {
  let text = '';
  let seen = 0;
  let open = streams.length;
  let wake = () => {};
  for (const stream of streams) {
    stream?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      wake();
    });
    stream?.on('close', () => {
      open--;
      wake();
    });
  }
  return {
    text: () => text,
    /** Waits until something is printed after what the last call waited for. */
    async until(pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        const match = pattern.exec(text.slice(seen));
        if (match) {
          seen += match.index + match[0].length;
          return match;
        }
        if (open === 0) assert.fail(`${pattern} was never printed:\n${text}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
