import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { startPostgresql } from '../test/postgresql.ts';
import { machine, median, spread, table, writeResults } from './report.ts';
import { countProcesses, type Measured, SERVICE, type Server, type Servers, withServers } from './servers.ts';
import { listWorks, makeTodos, makeUsers, type Request, SETTINGS, send, type Work } from './works.ts';

/**
 * Measures the service on PostgreSQL, with one and with two workers, beside a server that does the same
 * by plain Prisma, and says what processor time a request costs each process.
 */
const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '8' }, write: { type: 'boolean', default: false } },
});
const seconds = Number(options.seconds);
if (!(seconds > 0 && seconds <= 600)) throw new Error('--seconds must be a number up to 600');

const ROUNDS = 5;
const PLAIN = 'plain Prisma';
// The load generator and the database at work on some connections need so many beside two workers.
const ENOUGH_CORES = 6;
const HEAD = [
  '',
  'requests/s',
  'p50 (ms)',
  'p99 (ms)',
  'rate to plain Prisma',
  'server: µs a request',
  'database: µs',
  'load generator: µs',
  'processes of the server',
];

// The flag that comes last holds.
const postgresql = await startPostgresql(['-c', 'fsync=on']);
await withServers('bench:postgresql', async (servers) => {
  const database = await describeDatabase(postgresql.url);
  if (database.fsync !== 'on') throw new Error(`fsync is ${database.fsync}`);
  const settings = {
    ...SETTINGS,
    DATABASE_URL: postgresql.url,
    SECRET_KEY: randomBytes(32).toString('base64'),
  };
  await makeUsers(settings, servers.directory);
  const subjects = {
    [PLAIN]: await servers.start([join(import.meta.dirname, 'plain.js')], settings),
    'service, 1 worker': await servers.start([...SERVICE, '--workers', '1'], settings),
    'service, 2 workers': await servers.start([...SERVICE, '--workers', '2'], settings),
  };
  const { list, create } = listWorks(await makeTodos(subjects['service, 1 worker']));
  await expectSameAnswers(Object.values(subjects), list.requests[0] as Request);

  const rows: string[][] = [];
  for (const work of [list, create]) {
    const rounds = await measureWork(servers, work, subjects, database.pid);
    for (const [name, server] of Object.entries(subjects)) {
      rows.push([`${work.name}: ${name}`, ...cellsOf(rounds, name), String(await countProcesses(server.pid))]);
    }
  }
  const text = [describeRun(database.version), table(HEAD, rows)].join('\n\n');
  console.log(text);
  if (options.write) writeResults('postgresql', text);
});
await postgresql.remove();
// Said outright: what ends the server with the process would make it 0 otherwise.
process.exit(process.exitCode);

async function describeDatabase(url: string): Promise<{ pid: number; fsync: string; version: string }> {
  const client = new Client(url);
  await client.connect();
  const { rows } = await client.query(`SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid,
    current_setting('fsync') AS fsync, current_setting('server_version') AS version`);
  await client.end();
  return rows[0];
}

/** Else it would not be the same work. */
async function expectSameAnswers(all: Server[], request: Request): Promise<void> {
  const bodies = await Promise.all(all.map(async (server) => (await send(server, request)).body));
  if (new Set(bodies).size !== 1) throw new Error(`The answers differ:\n${bodies.join('\n')}`);
}

/** The servers by turns, so that what else the machine does meets all of them. */
async function measureWork(
  servers: Servers,
  { requests, connections }: Work,
  subjects: Record<string, Server>,
  database: number,
): Promise<Record<string, Measured>[]> {
  const rounds: Record<string, Measured>[] = [];
  for (let i = 0; i <= ROUNDS; i++) {
    const round: Record<string, Measured> = {};
    for (const [name, server] of Object.entries(subjects)) {
      const load = { requests, connections, duration: seconds / ROUNDS };
      round[name] = await servers.load(server, load, [server.pid, database]);
    }
    rounds.push(round);
  }
  // The first warms up.
  return rounds.slice(1);
}

function cellsOf(rounds: Record<string, Measured>[], name: string): string[] {
  const measures = rounds.map((round) => round[name] as Measured);
  const of = (pick: (measure: Measured) => number) => median(measures.map(pick));
  return [
    of(({ rate }) => rate).toFixed(),
    of(({ p50 }) => p50).toFixed(1),
    of(({ p99 }) => p99).toFixed(1),
    name === PLAIN
      ? ''
      : spread(rounds.map((round) => (round[name] as Measured).rate / (round[PLAIN] as Measured).rate)),
    of(({ cpu: [server] }) => server as number).toFixed(),
    of(({ cpu: [, database] }) => database as number).toFixed(),
    of(({ generator }) => generator).toFixed(),
  ];
}

function describeRun(postgresql: string): string {
  const cores = availableParallelism();
  const cramped = [
    `Server, database and load generator share ${cores} cores. So the rates are of all three together, and what a`,
    'second worker gains in throughput could not be measured here: only what it costs, in processor time a request.',
  ];
  return [
    machine(['@prisma/client', 'pg', 'fastify', 'autocannon'], [`PostgreSQL ${postgresql}`]),
    `Medians of ${ROUNDS} rounds of ${seconds / ROUNDS} s, 16 connections, nothing bound to a core; fsync on.`,
    ...(cores < ENOUGH_CORES ? cramped : []),
  ].join('\n');
}
