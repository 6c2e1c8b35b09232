import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { openDatabase } from '../src/database/index.ts';
import { type Answer, addUser, configure, PASSWORD, send, temporaryDirectory } from './helper.ts';
import { call, type Server, startServer } from './src/helper.ts';

/** What has to be cleaned up after, of a test or a proof. */
type Cleanup = Pick<TestContext, 'after'>;

const CLIENTS = 8;
// From here on SQLite transfers its log into the database.
const LOG_BYTES = 1000 * 4096;
const TODOS = '/api/v1/todo/';

/** What clients asked of one todo, and what they were told. Versions count from 1; 0 is that it is not there. */
interface Entry {
  id?: number;
  asked: number;
  acknowledged: number;
  removal: 'none' | 'asked' | 'acknowledged';
}

/** All that was acknowledged of the writes of clients, to be compared with what a database holds. */
export class Ledger {
  readonly entries = new Map<string, Entry>();
  acknowledged = 0;

  /** As it is at this moment. */
  snapshot(): Map<string, Entry> {
    return new Map([...this.entries].map(([key, entry]) => [key, { ...entry }]));
  }

  /**
   * Fails unless a database holds what was acknowledged when `then` was taken, in that version or in one
   * that was asked for since, and nothing that nobody asked for.
   */
  verify(path: string, then = this.entries): Map<string, { id: number; version: number }> {
    const rows = new Map<string, { id: number; version: number }>();
    for (const { id, title } of readTodos(path)) {
      const [key = '', version] = title.split(' ');
      assert.ok(!rows.has(key), `${key} is there twice`);
      rows.set(key, { id, version: Number(version) });
    }
    for (const [key, row] of rows) {
      const entry = this.entries.get(key);
      assert.ok(entry, `${key}, which is there, was not asked for, or its removal was acknowledged`);
      assert.equal(row.id, entry.id ?? row.id);
      assert.ok(row.version <= entry.asked, `${key} has version ${row.version} of ${entry.asked}`);
      const { acknowledged = 0, removal = 'none' } = then.get(key) ?? {};
      assert.ok(row.version >= acknowledged, `${key} has version ${row.version}, and ${acknowledged} was acknowledged`);
      assert.notEqual(removal, 'acknowledged', `${key} is there, and its removal was acknowledged`);
    }
    for (const [key, { acknowledged }] of then) {
      const isGone = this.entries.get(key)?.removal !== 'none';
      assert.ok(rows.has(key) || acknowledged === 0 || isGone, `${key} is not there`);
    }
    return rows;
  }

  /** Takes what a database holds for what is: of what was under way, nobody was told how it ended. */
  settle(rows: Map<string, { id: number; version: number }>): void {
    this.entries.clear();
    for (const [key, { id, version }] of rows) {
      this.entries.set(key, { id, asked: version, acknowledged: version, removal: 'none' });
    }
  }
}

/** The todos of a database that holds as a whole. */
function readTodos(path: string): { id: number; title: string }[] {
  // Leaves the log of a process that died for the service to recover.
  const connection = new Sqlite(path, { readonly: true });
  try {
    assert.deepEqual(connection.pragma('integrity_check'), [{ integrity_check: 'ok' }]);
    assert.deepEqual(connection.pragma('foreign_key_check'), []);
    return connection.prepare<[], { id: number; title: string }>('SELECT id, title FROM todos').all();
  } finally {
    connection.close();
  }
}

export interface Service {
  path: string;
  directory: string;
  settings: Record<string, string>;
}

/** A new database with one user, in a directory. */
export async function makeService(directory: string): Promise<Service> {
  const path = join(directory, 'todo.db');
  // A report of coverage would not be written by who is killed, nor fit on a full disk.
  const settings = { DATABASE_URL: `file:${path}`, LOGIN_THROTTLE: 'off', SHUTDOWN_DELAY: '0', NODE_V8_COVERAGE: '' };
  const { prisma, close } = await openDatabase(configure({ DATABASE_URL: settings.DATABASE_URL }));
  await addUser({ app: { prisma } }, 'paul');
  await close();
  return { path, directory, settings };
}

const logIn = (server: Server, path: string) =>
  send(server.origin, 'POST', path, { json: { username: 'paul', password: PASSWORD } });

interface Load {
  /** where all clients end, or one fails */
  ended: Promise<unknown>;
  /** Ends when the clients have ended. */
  stop(): Promise<void>;
  /** Statuses other than of success. */
  refusals: Map<number, number>;
}

let keys = 0;

/**
 * Has several clients create, change and remove todos, each its own, one request after the other, and
 * notes in the ledger what they ask for and are told; until it is stopped or the server is killed.
 * `mayRefuse` says whether a status other than of success may come; what is refused must not be done.
 */
function startLoad(
  origin: string,
  authorization: string,
  ledger: Ledger,
  { mayRefuse = (_status: number): boolean => false, body = 'two litres' } = {},
): Load {
  const refusals = new Map<number, number>();
  let isOver = false;

  /** Whether the server lived to answer; `done` is called where it did what was asked, `undone` where it refused. */
  async function ask(method: string, path: string, json: unknown, done: (answer: Answer) => void, undone: () => void) {
    const answer = await send(origin, method, path, { authorization, ...(json ? { json } : {}) }).catch(
      () => undefined,
    );
    if (!answer) return false;
    if (answer.status < 300) {
      ledger.acknowledged++;
      done(answer);
      return true;
    }
    assert.ok(mayRefuse(answer.status), `${method} ${path}: ${answer.status} ${answer.text}`);
    assert.equal(typeof answer.body.detail, 'string');
    refusals.set(answer.status, (refusals.get(answer.status) ?? 0) + 1);
    undone();
    return true;
  }

  async function create(): Promise<[string, Entry] | undefined> {
    const key = `todo-${++keys}`;
    const entry: Entry = { asked: 1, acknowledged: 0, removal: 'none' };
    ledger.entries.set(key, entry);
    const take = (answer: Answer) => {
      entry.id = answer.body.id;
      entry.acknowledged = 1;
    };
    const lived = await ask('POST', TODOS, { title: `${key} 1`, body }, take, () => ledger.entries.delete(key));
    return lived ? [key, entry] : undefined;
  }

  async function change(key: string, entry: Entry): Promise<boolean> {
    const version = ++entry.asked;
    const take = () => {
      entry.acknowledged = version;
    };
    return ask('PATCH', `${TODOS}${entry.id}/`, { title: `${key} ${version}` }, take, () => {
      entry.asked--;
    });
  }

  async function remove(entry: Entry): Promise<boolean> {
    entry.removal = 'asked';
    const take = () => {
      entry.removal = 'acknowledged';
    };
    return ask('DELETE', `${TODOS}${entry.id}/`, undefined, take, () => {
      entry.removal = 'none';
    });
  }

  async function work(): Promise<void> {
    while (!isOver) {
      const made = await create();
      if (!made) return;
      const [key, entry] = made;
      if (entry.acknowledged === 0) continue;
      if (!(await change(key, entry))) return;
      if (Math.random() < 0.3 && !(await remove(entry))) return;
    }
  }

  const ended = Promise.all(Array.from({ length: CLIENTS }, work));
  // Whoever stops the load is told.
  ended.catch(() => {});
  return {
    ended,
    refusals,
    async stop() {
      isOver = true;
      await ended;
    },
  };
}

/** Ends the server without a chance to do anything. */
async function kill(server: Server): Promise<void> {
  const exit = once(server.child, 'exit');
  server.child.kill('SIGKILL');
  await exit;
}

/**
 * Starts the service on one database again and again, puts it under load and kills it at a random moment.
 * What was acknowledged has to be there each time, and in a backup that was made under the load of every
 * second round, once it is restored.
 */
export async function surviveKills(t: Cleanup, rounds: number, report: (line: string) => void): Promise<void> {
  const directory = temporaryDirectory(t);
  const service = await makeService(directory);
  const ledger = new Ledger();
  for (let round = 1; round <= rounds; round++) {
    const server = await startServer(t, service);
    const { body } = await logIn(server, '/api/token');
    const load = startLoad(server.origin, `Token ${body.token}`, ledger);
    if (round % 2 === 0) {
      await sleep(Math.random() * 200);
      await backUpAndRestore(service, ledger, join(directory, `round-${round}`));
    }
    await sleep(50 + Math.random() * 700);
    await kill(server);
    await load.stop();
    const rows = ledger.verify(service.path);
    ledger.settle(rows);
    report(`killed, round ${round}: ${ledger.acknowledged} writes acknowledged so far, ${rows.size} todos there`);
  }
}

async function backUpAndRestore(service: Service, ledger: Ledger, directory: string): Promise<void> {
  mkdirSync(directory);
  const file = join(directory, 'backup.db');
  const then = ledger.snapshot();
  const backup = await call(['backup', file], service);
  assert.equal(backup.code, 0, backup.stderr);
  const path = join(directory, 'todo.db');
  const restore = await call(['restore', file], { directory, settings: { DATABASE_URL: `file:${path}` } });
  assert.equal(restore.code, 0, restore.stderr);
  ledger.verify(path, then);
  rmSync(directory, { recursive: true });
}

/** Why no file system can be mounted here; undefined where one can. */
export function whyNoDisk(): string | undefined {
  const place = mkdtempSync(join(tmpdir(), 'todo-api-disk-'));
  try {
    mount(place, 2 ** 20);
    unmount(place);
    return undefined;
  } catch (error) {
    return `a file system cannot be mounted (${(error as Error).message.trim()})`;
  } finally {
    rmdirSync(place);
  }
}

function mount(place: string, bytes: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', place], { stdio: 'pipe' });
}

function unmount(place: string): void {
  execFileSync('umount', ['-l', place], { stdio: 'pipe' });
}

/** A disk in memory, gone after. */
export function makeDisk(t: Cleanup, bytes: number): string {
  const place = mkdtempSync(join(tmpdir(), 'todo-api-disk-'));
  mount(place, bytes);
  t.after(() => {
    unmount(place);
    rmdirSync(place);
  });
  return place;
}

/** Leaves so many bytes of a file system free. */
export function fill(directory: string, free: number): void {
  const { bavail, bsize } = statfsSync(directory);
  writeFileSync(join(directory, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - free)));
}

function transferLog(path: string): void {
  const connection = new Sqlite(path);
  try {
    connection.pragma('wal_checkpoint(PASSIVE)');
  } finally {
    connection.close();
  }
}

/** Frees the space again. */
export function empty(directory: string): void {
  rmSync(join(directory, 'ballast'));
}

/**
 * Has the disk of a service fill up under load, with `free` bytes left at first, and be freed again. Writes
 * are refused with 503 meanwhile, reads go on, nothing that was acknowledged is lost and nothing that was
 * refused is done; and with the space the service takes writes again, without a new start. Where more is
 * free than SQLite's log grows to, it is the transfer of the log into the database that meets the end first.
 */
export async function surviveFullDisk(t: Cleanup, free: number, report: (line: string) => void): Promise<void> {
  const place = makeDisk(t, 32 * 2 ** 20);
  const service = await makeService(place);
  const elsewhere = temporaryDirectory(t);
  const server = await startServer(t, { ...service, directory: elsewhere });
  const authorization = `Token ${(await logIn(server, '/api/token')).body.token}`;
  const pair = (await logIn(server, '/api/jwt/token/')).body;
  const ledger = new Ledger();
  const ask = (method: string, path: string, options = {}) =>
    send(server.origin, method, path, { authorization, ...options });
  const statusOf = async (method: string, path: string, options = {}) => (await ask(method, path, options)).status;

  fill(place, free);
  const load = startLoad(server.origin, authorization, ledger, {
    mayRefuse: (status) => status === 503,
    body: free > LOG_BYTES ? '€'.repeat(10_000) : 'x'.repeat(8000),
  });
  while ((load.refusals.get(503) ?? 0) < 100) {
    assert.equal(await Promise.race([sleep(10), load.ended]), undefined, 'the server has ended');
  }
  await load.stop();
  if (free > LOG_BYTES) assert.throws(() => transferLog(service.path), { code: 'SQLITE_FULL' });

  const [known] = [...ledger.entries.values()].filter(({ removal }) => removal === 'none');
  for (const path of [TODOS, `${TODOS}${known?.id}/`, '/api/v1/users/me/', '/readyz', '/healthz']) {
    for (const credential of [authorization, `Bearer ${pair.access}`]) {
      assert.equal(await statusOf('GET', path, { authorization: credential }), 200, path);
    }
  }
  assert.equal(await statusOf('POST', '/api/jwt/token/verify/', { json: { token: pair.access } }), 200);
  const large = { json: { title: 'refused', body: '€'.repeat(10_000) } };
  const statuses = {
    create: await statusOf('POST', TODOS, large),
    change: await statusOf('PATCH', `${TODOS}${known?.id}/`, { json: { is_completed: true } }),
    token: (await logIn(server, '/api/token')).status,
    refresh: await statusOf('POST', '/api/jwt/token/refresh/', { json: { refresh: pair.refresh } }),
    jwt: (await logIn(server, '/api/jwt/token/')).status,
    email: await statusOf('PATCH', '/api/v1/users/me/', { json: { email: 'paul@domain.com' } }),
    newToken: await statusOf('POST', '/api/v1/tokens/', { json: { name: 'refused' } }),
  };
  report(`full: ${load.refusals.get(503)} writes refused; ${JSON.stringify(statuses)}`);
  for (const [name, status] of Object.entries(statuses))
    assert.ok(status < 300 || status === 503, `${name}: ${status}`);
  assert.equal(statuses.create, 503);

  const backup = join(elsewhere, 'backup.db');
  const outcome = await call(['backup', backup], service);
  assert.equal(outcome.code, 0, outcome.stderr);
  ledger.verify(backup);

  empty(place);
  const again = startLoad(server.origin, authorization, ledger);
  await sleep(300);
  await again.stop();
  ledger.verify(service.path);
  await kill(server);
  ledger.verify(service.path);
  report(`${ledger.acknowledged} writes acknowledged, all there`);
}
