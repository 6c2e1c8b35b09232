import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Sqlite from 'better-sqlite3';
import type { Answer } from './limit.ts';
import { machine, median, spread, table, writeResults } from './report.ts';
import {
  canPin,
  flood,
  type Measured,
  memoryOf,
  NODE_OPTIONS,
  SERVICE,
  type Server,
  type Servers,
  withServers,
} from './servers.ts';
import { listWorks, makeTodos, makeUsers, SETTINGS, send, WORKS, type Work } from './works.ts';

const ROUNDS = 5;
const STARTS = 7;
const [SERVER_CORE, LOAD_CORE] = canPin ? ['0', '1'] : [];
const LIMIT = [...NODE_OPTIONS, join(import.meta.dirname, 'limit.js')];

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    works: { type: 'string', default: WORKS.join() },
    write: { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);
if (!(seconds > 0 && seconds <= 600)) throw new Error('--seconds must be a number up to 600');
const chosen = WORKS.filter((work) => options.works.split(',').includes(work));
for (const work of options.works.split(',')) {
  if (!WORKS.some((name) => name === work)) throw new Error(`--works: there is no ${work}`);
}
// A minute, or less for a quick look.
const loadedSeconds = Math.min(60, seconds * 7.5);

interface Round {
  service: Measured;
  limit: Measured;
  commits: number;
}

await withServers('bench', async (servers) => {
  const settings = { ...SETTINGS, DATABASE_URL: `file:${servers.directory}/todo.db` };
  await makeUsers(settings, servers.directory);
  const service = await servers.start(SERVICE, settings, SERVER_CORE);
  const begin = { service: await memoryOf(service.pid), limit: 0 };
  const works = listWorks(await makeTodos(service));
  const ANSWERS = JSON.stringify(await collectAnswers(service, works.list, ...chosen.map((work) => works[work])));
  const limit = await servers.start(LIMIT, { ANSWERS }, SERVER_CORE);
  begin.limit = await memoryOf(limit.pid);

  const measured = new Map<Work, Round[]>();
  for (const work of chosen) measured.set(works[work], await measureWork(servers, works[work], service, limit));
  let loaded = ((ROUNDS + 1) / ROUNDS) * seconds * chosen.length;
  for (; loaded < loadedSeconds; loaded += seconds / ROUNDS) {
    for (const server of [service, limit]) await load(servers, server, works.list);
  }
  const end = { service: await memoryOf(service.pid), limit: await memoryOf(limit.pid) };
  const latencies = await measureLatencies(works.list, service, limit);
  for (const server of [service, limit]) await server.stop();
  const ready = await measureStarts(servers, settings, { ANSWERS });

  const figures = [
    ['ready to answer after its start (ms)', spread(ready.service, 0), spread(ready.limit, 0)],
    ['memory at the start (MB)', begin.service.toFixed(), begin.limit.toFixed()],
    [`memory after ${loaded.toFixed()} s of load (MB)`, end.service.toFixed(), end.limit.toFixed()],
    ['p99 to p50 of the list', spread(latencies.service, 1), spread(latencies.limit, 1)],
  ];
  const text = [
    [
      machine(['better-sqlite3', 'fastify', 'autocannon']),
      `Medians of ${ROUNDS} rounds of ${seconds / ROUNDS} s, ${canPin ? 'server and load generator on a core each' : 'nothing bound to a core'};`,
      `of ${STARTS} starts, bound to no core.${loaded < 60 ? ' A quick look: under a minute of load.' : ''}`,
    ].join('\n'),
    reportRates(measured),
    reportProcessor(measured),
    table(['', 'service', 'limit'], figures),
  ].join('\n\n');
  console.log(text);
  if (options.write) writeResults('results', text);
});

/** What the service answers to the requests of the works. */
async function collectAnswers(service: Server, ...works: Work[]): Promise<Answer[]> {
  const answers = new Map<string, Answer>();
  for (const request of works.flatMap(({ requests }) => requests)) {
    const kind = `${request.method} ${request.path}`;
    if (!answers.has(kind)) answers.set(kind, await send(service, request));
  }
  return [...answers.values()];
}

/** Service and limit by turns, so that what else the machine does meets both. */
async function measureWork(servers: Servers, work: Work, service: Server, limit: Server): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    rounds.push({
      service: await load(servers, service, work),
      limit: await load(servers, limit, work),
      commits: work.writes ? countCommits(join(servers.directory, 'commits.db'), seconds / ROUNDS / 2) : 0,
    });
  }
  // The first warms up.
  return rounds.slice(1);
}

function load(servers: Servers, server: Server, { requests, connections }: Work): Promise<Measured> {
  return servers.load(server, { requests, connections, duration: seconds / ROUNDS }, [server.pid], LOAD_CORE);
}

/** How much longer than half of the lists take all but a hundredth, by the lighter load generator, on warm servers. */
async function measureLatencies(
  { requests, connections }: Work,
  ...servers: [service: Server, limit: Server]
): Promise<{ service: number[]; limit: number[] }> {
  const ratios: [service: number[], limit: number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { origin }] of servers.entries()) {
      const load = { origin, requests, connections, rate: 0, duration: seconds / ROUNDS };
      const { 200: ok, ...others } = (await flood(load, LOAD_CORE)).answers;
      if (!ok || Object.keys(others).length > 0) throw new Error(`The list is answered ${Object.keys(others)}`);
      ratios[i]?.push(ok.p99 / ok.p50);
    }
  }
  return { service: ratios[0], limit: ratios[1] };
}

/** One-row transactions a second that are on the disk when they end. */
function countCommits(path: string, duration: number): number {
  const database = new Sqlite(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS rows (row TEXT)');
  const insert = database.prepare(`INSERT INTO rows VALUES ('a row')`);
  const begin = performance.now();
  let count = 0;
  for (; performance.now() - begin < duration * 1000; count++) insert.run();
  const rate = (count * 1000) / (performance.now() - begin);
  database.close();
  return rate;
}

/** Milliseconds until they answer, by turns. */
async function measureStarts(
  servers: Servers,
  ofService: Record<string, string>,
  ofLimit: Record<string, string>,
): Promise<{ service: number[]; limit: number[] }> {
  const times = { service: [] as number[], limit: [] as number[] };
  for (let i = 0; i < STARTS; i++) {
    const service = await servers.start(SERVICE, ofService);
    await service.stop();
    const limit = await servers.start(LIMIT, ofLimit);
    await limit.stop();
    times.service.push(service.ready);
    times.limit.push(limit.ready);
  }
  return times;
}

function reportRates(measured: Map<Work, Round[]>): string {
  const head = ['', 'requests/s', 'p50 (ms)', 'p99 (ms)', 'limit: requests/s', 'share of the limit', 'disk: commits/s'];
  const rows = [...measured].map(([{ name, writes }, rounds]) => {
    const of = (pick: (round: Round) => number) => median(rounds.map(pick));
    return [
      name,
      of(({ service }) => service.rate).toFixed(),
      of(({ service }) => service.p50).toFixed(1),
      of(({ service }) => service.p99).toFixed(1),
      of(({ limit }) => limit.rate).toFixed(),
      spread(rounds.map(({ service, limit }) => service.rate / limit.rate)),
      writes ? of(({ commits }) => commits).toFixed() : '',
    ];
  });
  return table(head, rows);
}

function reportProcessor(measured: Map<Work, Round[]>): string {
  const head = ['processor time', 'µs a request', 'limit: µs a request', 'share of the limit'];
  const rows = [...measured].map(([{ name }, rounds]) => {
    const of = (pick: (round: Round) => number) => median(rounds.map(pick));
    return [
      name,
      of(({ service }) => service.cpu[0] as number).toFixed(),
      of(({ limit }) => limit.cpu[0] as number).toFixed(),
      spread(rounds.map(({ service, limit }) => (limit.cpu[0] as number) / (service.cpu[0] as number))),
    ];
  });
  return table(head, rows);
}
