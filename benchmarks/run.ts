import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { loadConfig } from '../src/config.ts';
import { openDatabase } from '../src/database/index.ts';
import { packagePath } from '../src/package.ts';
import { createUser } from '../src/users.ts';
import type { Answer } from './limit.ts';
import type { Load, Measure } from './load.ts';

const ROUNDS = 5;
// Node writes these itself.
const OF_NODE = ['connection', 'content-length', 'date', 'keep-alive'];
const PASSWORD = 'wintry-marble-otter-51';

interface Work {
  name: string;
  requests: Load['requests'];
  connections?: number;
  writes?: boolean;
}

/** What is measured. Each user's todos stay as they are while they are read: it is another who creates. */
function listWorks(reader: string, jwt: string, writer: string): Record<string, Work> {
  const json = { 'content-type': 'application/json' };
  const todo = JSON.stringify({ title: 'Buy milk', body: 'two litres', is_completed: false });
  const list = { method: 'GET', path: '/api/v1/todo/', headers: { authorization: reader } };
  const get = { ...list, path: '/api/v1/todo/7/' };
  const update = { ...get, method: 'PATCH', headers: { ...json, authorization: reader }, body: todo };
  const create = { ...update, method: 'POST', path: '/api/v1/todo/', headers: { ...json, authorization: writer } };
  const logIn = { method: 'POST', path: '/api/token', headers: json, body: credentials('reader') };
  return {
    list: { name: 'list 20 todos, API token', requests: [list] },
    'list-jwt': { name: 'list 20 todos, JWT', requests: [{ ...list, headers: { authorization: jwt } }] },
    get: { name: 'get one', requests: [get] },
    create: { name: 'create', requests: [create], writes: true },
    update: { name: 'update (PATCH)', requests: [update], writes: true },
    mixed: { name: 'nine lists to one update', requests: [...Array(9).fill(list), update], writes: true },
    login: { name: 'log in (`POST /api/token`)', requests: [logIn], connections: 4 },
  };
}

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    works: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);
if (!(seconds > 0 && seconds <= 600)) throw new Error('--seconds must be a number up to 600');
const chosen = options.works?.split(',') ?? Object.keys(listWorks('', '', ''));
for (const work of chosen) if (!(work in listWorks('', '', ''))) throw new Error(`--works: there is no ${work}`);

const directory = mkdtempSync(join(tmpdir(), 'todo-api-bench-'));
const stop = new AbortController();
const servers: ChildProcess[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)));
const canPin = availableParallelism() > 1 && spawnSync('taskset', ['-c', '0,1', 'true']).status === 0;

try {
  const table = await measureAll();
  console.log(table);
  if (options.write) writeTable(table);
} catch (error) {
  console.error(`bench: ${((stop.signal.reason ?? error) as Error).message}`);
  process.exitCode = 1;
} finally {
  stop.abort();
  await Promise.all(servers.map((server) => server.exitCode ?? server.signalCode ?? once(server, 'exit')));
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

async function measureAll(): Promise<string> {
  const DATABASE_URL = `file:${directory}/todo.db`;
  const { prisma, close } = await openDatabase(loadConfig({ DATABASE_URL }, directory));
  for (const username of ['reader', 'writer']) {
    await createUser(prisma, { username, email: '', password: PASSWORD, isSuperuser: false });
  }
  await close();

  const settings = { DATABASE_URL, LOG_LEVEL: 'info', LOGIN_THROTTLE: 'off', JWT_ACCESS_TTL: '86400' };
  const service = await start('../src/cli.js', ['serve'], settings);
  const logIn = (path: string, username: string) => send(service, { path, body: credentials(username) });
  const reader = `Token ${JSON.parse((await logIn('/api/token', 'reader')).body).token}`;
  const writer = `Token ${JSON.parse((await logIn('/api/token', 'writer')).body).token}`;
  const jwt = `Bearer ${JSON.parse((await logIn('/api/jwt/token/', 'reader')).body).access}`;
  for (let i = 1; i <= 20; i++) {
    const body = JSON.stringify({ title: `Todo ${i}`, body: 'What is to be done, in a sentence or two.' });
    await send(service, { path: '/api/v1/todo/', headers: { authorization: reader }, body });
  }
  const works = listWorks(reader, jwt, writer);
  const answers = new Map<string, Answer>();
  for (const request of chosen.flatMap((work) => works[work]?.requests ?? [])) {
    const key = `${request.method} ${request.path}`;
    if (!answers.has(key)) answers.set(key, await send(service, request));
  }
  const limit = await start('./limit.js', [], { ANSWERS: JSON.stringify([...answers.values()]) });

  const lines = [];
  for (const work of chosen) lines.push(await measureWork(works[work] as Work, service, limit));
  return [
    '| | requests/s | p50 (ms) | p99 (ms) | limit: requests/s | share of the limit (spread) | disk: commits/s |',
    '|---|--:|--:|--:|--:|--:|--:|',
    ...lines,
  ].join('\n');
}

/** Service and limit by turns, so that what else the machine does meets both; medians of all rounds. */
async function measureWork(work: Work, service: string, limit: string): Promise<string> {
  const rounds: { service: Measure; limit: Measure; commits: number }[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const measure = { service: await load(service, work), limit: await load(limit, work), commits: 0 };
    if (work.writes) measure.commits = countCommits(seconds / ROUNDS / 2);
    // The first warms up.
    if (round > 0) rounds.push(measure);
  }
  const of = (pick: (round: (typeof rounds)[number]) => number) => median(rounds.map(pick));
  const share = ({ service, limit }: (typeof rounds)[number]) => service.rate / limit.rate;
  const spread = rounds.map(share).sort((a, b) => a - b);
  const cells = [
    work.name,
    of(({ service }) => service.rate).toFixed(),
    of(({ service }) => service.p50).toFixed(1),
    of(({ service }) => service.p99).toFixed(1),
    of(({ limit }) => limit.rate).toFixed(),
    `${of(share).toFixed(2)} (${spread.at(0)?.toFixed(2)} to ${spread.at(-1)?.toFixed(2)})`,
    work.writes ? of(({ commits }) => commits).toFixed() : '',
  ];
  return `| ${cells.join(' | ')} |`;
}

async function load(url: string, { requests, connections = 16 }: Work): Promise<Measure> {
  const options: Load = { url, requests, connections, duration: seconds / ROUNDS };
  const [command, ...args] = onCore('1', [process.execPath, pathOf('./load.js'), JSON.stringify(options)]);
  const timeout = options.duration * 1000 + 30_000;
  const run = promisify(execFile)(command as string, args, { signal: stop.signal, timeout });
  return JSON.parse((await run).stdout);
}

/** One-row transactions a second that are on the disk when they end. */
function countCommits(duration: number): number {
  const database = new Sqlite(join(directory, 'commits.db'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS rows (row TEXT)');
  const insert = database.prepare(`INSERT INTO rows VALUES ('a row')`);
  const begin = performance.now();
  let count = 0;
  for (; performance.now() - begin < duration * 1000; count++) insert.run();
  const rate = (count * 1000) / (performance.now() - begin);
  database.close();
  return rate;
}

/** Starts a server and gives its origin when it answers. */
async function start(path: string, args: string[], env: Record<string, string>): Promise<string> {
  const PORT = String(await findPort());
  const [command, ...rest] = onCore('0', [process.execPath, pathOf(path), ...args]);
  const child = spawn(command as string, rest, {
    cwd: directory,
    env: { PATH: process.env.PATH, ...env, PORT },
    stdio: ['ignore', 'ignore', 'inherit'],
    signal: stop.signal,
    killSignal: 'SIGKILL',
  });
  servers.push(child);
  child.on('error', (error) => stop.abort(error));
  child.on('exit', (code) => stop.abort(new Error(`${path} ended with ${code}`)));
  const origin = `http://127.0.0.1:${PORT}`;
  for (let tries = 0; tries < 200; tries++) {
    stop.signal.throwIfAborted();
    if (await fetch(origin).catch(() => undefined)) return origin;
    await setTimeout(100);
  }
  throw new Error(`${path} does not answer`);
}

async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function send(origin: string, request: Partial<Load['requests'][number]> & { path: string }): Promise<Answer> {
  const { method = 'POST', path, headers, body = null } = request;
  const answer = await fetch(origin + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  if (!answer.ok) throw new Error(`${method} ${path} answers ${answer.status}`);
  const own = [...answer.headers].filter(([name]) => !OF_NODE.includes(name));
  return { method, path, status: answer.status, headers: Object.fromEntries(own), body: await answer.text() };
}

function writeTable(table: string) {
  const { version, dependencies, devDependencies } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8'));
  const packages = Object.entries({ ...dependencies, ...devDependencies })
    .filter(([name]) => ['fastify', 'better-sqlite3', 'autocannon'].includes(name))
    .map((entry) => entry.join(' '));
  const text = [
    `todo-api ${version}, ${new Date().toISOString().slice(0, 10)}; ${cpus()[0]?.model}, ${availableParallelism()} cores;`,
    `${process.platform} ${process.arch}, Node ${process.versions.node}, ${packages.join(', ')}. Medians of ${ROUNDS} rounds of`,
    `${seconds / ROUNDS} s${canPin ? ', server and load generator on a core each' : ', nothing bound to a core'}.`,
  ].join('\n');
  const path = packagePath('benchmarks/README.md');
  const readme = readFileSync(path, 'utf8');
  const between = /(?<=<!-- results -->\n).*(?=<!-- \/results -->)/s;
  if (!between.test(readme)) throw new Error('benchmarks/README.md has no markers for the results');
  writeFileSync(
    path,
    readme.replace(between, () => `\n${text}\n\n${table}\n\n`),
  );
}

function credentials(username: string): string {
  return JSON.stringify({ username, password: PASSWORD });
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

function onCore(core: string, command: string[]): string[] {
  return canPin ? ['taskset', '-c', core, ...command] : command;
}

function pathOf(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
