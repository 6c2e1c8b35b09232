import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import pidtree from 'pidtree';
import pidusage from 'pidusage';
import { packagePath } from '../src/package.ts';
import { freePort } from '../test/ports.ts';
import type { Flood, Flooded } from './flood.ts';
import type { Load, Measure } from './load.ts';

/** With what `npm start` starts Node. */
export const NODE_OPTIONS = ['--max-semi-space-size=4', '--single-threaded-gc'];

/** The command of `npm start`. */
export const SERVICE = [...NODE_OPTIONS, packagePath('bin/todo-api.js'), 'serve'];

/** Whether processes can be bound to a core each. */
export const canPin = availableParallelism() > 1 && spawnSync('taskset', ['-c', '0,1', 'true']).status === 0;

const MAX_START_MS = 30_000;

export interface Server {
  origin: string;
  pid: number;
  /** milliseconds from its start to its first answer */
  ready: number;
  stop(): Promise<void>;
}

export interface Measured extends Measure {
  /** of each process tree, the microseconds of processor time for a request */
  cpu: number[];
}

/** Servers and the load on them; where one of them ends by itself, the load ends too. */
export interface Servers {
  /** their working directory, gone at the end */
  directory: string;
  /** Runs a script of Node on a free port, on a core where one is given. */
  start(script: string[], settings: Record<string, string>, core?: string | undefined): Promise<Server>;
  /** Puts a server under load, and measures it and what the processes at the roots of `trees` use for it. */
  load(server: Server, load: Omit<Load, 'url'>, trees?: number[], core?: string | undefined): Promise<Measured>;
}

/** Runs a benchmark, and stops what it started however it ends. A failure is printed, and the exit code 1. */
export async function withServers(name: string, run: (servers: Servers) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'todo-api-bench-'));
  const abort = new AbortController();
  const { signal } = abort;
  const running = new Set<Server>();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => abort.abort(new Error(name)));

  async function start(script: string[], settings: Record<string, string>, core?: string): Promise<Server> {
    const PORT = String(await freePort());
    const [command, ...args] = onCore(core, [process.execPath, ...script]);
    const begin = performance.now();
    const child = spawn(command, args, {
      cwd: directory,
      env: { PATH: process.env.PATH, ...settings, PORT },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const end = new Promise<void>((resolve) => {
      child.once('error', (error) => abort.abort(error)).once('exit', () => resolve());
    });
    const server = {
      origin: `http://127.0.0.1:${PORT}`,
      pid: child.pid as number,
      ready: 0,
      async stop() {
        running.delete(server);
        if (child.pid === undefined) return;
        child.kill();
        await end;
      },
    };
    running.add(server);
    end.then(
      () => running.has(server) && abort.abort(new Error(`${script} ended with ${child.exitCode ?? child.signalCode}`)),
    );
    while (!(await answers(server.origin))) {
      signal.throwIfAborted();
      if (performance.now() - begin > MAX_START_MS) throw new Error(`${script} does not answer`);
      await setTimeout(2);
    }
    server.ready = performance.now() - begin;
    return server;
  }

  async function load({ origin, pid }: Server, load: Omit<Load, 'url'>, trees = [pid], core?: string) {
    const options: Load = { ...load, url: origin };
    const [command, ...args] = onCore(core, [process.execPath, join(import.meta.dirname, 'load.js')]);
    const before = await Promise.all(trees.map(cpuTimes));
    const env = { PATH: process.env.PATH, LOAD: JSON.stringify(options) };
    const timeout = options.duration * 1000 + 30_000;
    const { stdout } = await promisify(execFile)(command, args, { signal, timeout, env });
    const after = await Promise.all(trees.map(cpuTimes));
    const measure: Measure = JSON.parse(stdout);
    const used = after.map((times, tree) => difference(before[tree] as Map<number, number>, times));
    return { ...measure, cpu: used.map((ms) => (ms * 1000) / measure.requests) };
  }

  try {
    await run({ directory, start, load });
  } catch (error) {
    const { message, cause } = (signal.reason ?? error) as Error;
    console.error(`${name}: ${message}`, cause ?? '');
    process.exitCode = 1;
  } finally {
    await Promise.all([...running].map((server) => server.stop()));
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The resident memory of a process, in MB. */
export async function memoryOf(pid: number): Promise<number> {
  return (await pidusage(pid)).memory / 2 ** 20;
}

/** How many processes there are of a process and its descendants. */
export async function countProcesses(root: number): Promise<number> {
  return (await cpuTimes(root)).size;
}

/** Milliseconds of processor time that a process and its descendants have used, each without its children. */
async function cpuTimes(root: number): Promise<Map<number, number>> {
  const stats = await pidusage(await pidtree(root, { root: true }));
  // What has ended in between is not there.
  const alive = Object.values(stats).filter((stat) => stat !== undefined);
  return new Map(alive.map(({ pid, ctime }) => [pid, ctime]));
}

/** What ended meanwhile was idle, as the connections of another server, and must not count as time won back. */
function difference(before: Map<number, number>, after: Map<number, number>): number {
  return [...after].reduce((sum, [pid, time]) => sum + time - (before.get(pid) ?? 0), 0);
}

async function answers(origin: string): Promise<boolean> {
  try {
    await (await fetch(origin)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** A command that runs on a core, where one is given. */
export function onCore(core: string | undefined, command: [string, ...string[]]): [string, ...string[]] {
  return core === undefined ? command : ['taskset', '-c', core, ...command];
}

/** Floods a server from a process of its own, on a core where one is given. */
export async function flood(load: Flood, core?: string): Promise<Flooded> {
  const [command, ...args] = onCore(core, [process.execPath, join(import.meta.dirname, 'flood.js')]);
  const env = { PATH: process.env.PATH, FLOOD: JSON.stringify(load) };
  const { stdout } = await promisify(execFile)(command, args, { timeout: load.duration * 1000 + 30_000, env });
  return JSON.parse(stdout);
}
