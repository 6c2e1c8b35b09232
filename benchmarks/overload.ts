import { parseArgs } from 'node:util';
import { machine, median, spread, table, writeResults } from './report.ts';
import { canPin, flood, SERVICE, type Server, withServers } from './servers.ts';
import { type Authorizations, listWorks, makeTodos, makeUsers, type Request, SETTINGS } from './works.ts';

/**
 * Proves that the service does its work under ten times the load that it can bear: how much it answers, how
 * soon, and whether it is itself again right after. `--write` puts the table into docs/operations.md.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    connections: { type: 'string', default: '1000' },
    works: { type: 'string', default: 'pages,list,login' },
    write: { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);
const connections = Number(options.connections);
if (!(seconds >= 1 && seconds <= 600)) throw new Error('--seconds must be a number from 1 to 600');
if (!(connections >= 100 && connections <= 10_000)) throw new Error('--connections must be a number from 100 to 10000');

const ROUNDS = 3;
const LOAD = 10;
const TARGET = 0.8;
const CONNECTIONS_AT_PEAK = 32;
const [SERVER_CORE, LOAD_CORE] = canPin ? ['0', '1'] : [];

const WORKS = {
  // Not sent but made, or it would be the load generator that is measured.
  pages: { name: 'nine pages of 1000 todos (`HEAD`) to one change', requests: makePages },
  list: {
    name: 'list 20 todos',
    requests: (users: Authorizations) =>
      listWorks(users).list.requests.map((request) => ({ ...request, path: `${request.path}?limit=20` })),
  },
  login: { name: 'log in (`POST /api/token`)', requests: (users: Authorizations) => listWorks(users).login.requests },
};
type WorkName = keyof typeof WORKS;
const works = options.works.split(',');
for (const work of works) if (!(work in WORKS)) throw new Error(`--works: there is no ${work}`);

/** Pages of lengths of their own, so that none is had from memory. */
function makePages(users: Authorizations): Request[] {
  const { list, update } = listWorks(users);
  const [page, change] = [list.requests[0], update.requests[0]] as [Request, Request];
  return Array.from({ length: 200 }, (_, i) =>
    i % 10 === 0 ? change : { ...page, method: 'HEAD', path: `${page.path}?limit=${1000 - i}` },
  );
}

await withServers('overload', async ({ directory, start }) => {
  const settings = { ...SETTINGS, DATABASE_URL: `file:${directory}/todo.db` };
  await makeUsers(settings, directory);
  const service = await start(SERVICE, settings, SERVER_CORE);
  const users = await makeTodos(service, 1000);
  const rows = [];
  for (const work of works) {
    const { name, requests } = WORKS[work as WorkName];
    rows.push(await measure(name, service, requests(users)));
  }
  const head = ['', 'peak/s', 'p99 (ms)', 'sent/s', 'answered/s', 'share of the peak', 'p50 (ms)', 'p99 (ms)'];
  const text = [
    `${machine(['better-sqlite3', 'fastify'])}\nMedians of ${ROUNDS} rounds of ${seconds} s on ${connections} connections${canPin ? '; service and load generator on a core each' : ''}.`,
    table([...head, 'refused/s', 'in the second after'], rows),
  ].join('\n\n');
  console.log(text);
  if (options.write) writeResults('overload', text, 'docs/operations.md');
});

/** Figures of one round: answers a second, and milliseconds. */
interface Round {
  peak: number;
  p99AtPeak: number;
  answered: number;
  /** of the peak */
  share: number;
  p50: number;
  p99: number;
  refused: number;
  /** of the peak, in the second after */
  after: number;
}

async function measure(name: string, service: Server, requests: Request[]): Promise<string[]> {
  const rounds: Round[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await measureRound(name, service, requests));
  const of = (pick: (round: Round) => number) => median(rounds.map(pick));
  const share = of((round) => round.share);
  if (share < TARGET) {
    console.error(`${name}: ${share.toFixed(2)} of the peak, not ${TARGET}`);
    process.exitCode = 1;
  }
  return [
    name,
    of(({ peak }) => peak).toFixed(),
    of(({ p99AtPeak }) => p99AtPeak).toFixed(),
    of(({ answered, refused }) => answered + refused).toFixed(),
    of(({ answered }) => answered).toFixed(),
    spread(rounds.map((round) => round.share)),
    of(({ p50 }) => p50).toFixed(),
    of(({ p99 }) => p99).toFixed(),
    of(({ refused }) => refused).toFixed(),
    spread(rounds.map(({ after }) => after)),
  ];
}

/** The peak, ten times its rate, and the peak again, right after: the two make the one that the load is held against. */
async function measureRound(name: string, service: Server, requests: Request[]): Promise<Round> {
  const atPeak = (duration: number) =>
    flood({ origin: service.origin, requests, connections: CONNECTIONS_AT_PEAK, rate: 0, duration }, LOAD_CORE);
  // The first warms up.
  await atPeak(Math.min(seconds, 5));
  const peakSeconds = Math.min(seconds, 10);
  const before = (await atPeak(peakSeconds)).answers['200'];
  if (!before) throw new Error(`${name}: nothing is answered`);
  const over = await flood(
    { origin: service.origin, requests, connections, rate: before.rate * LOAD, duration: seconds },
    LOAD_CORE,
  );
  const { accepted, answers } = await atPeak(peakSeconds);
  // What else the machine does changes within the minute.
  const peak = (before.rate + (answers['200']?.rate ?? 0)) / 2;
  const { 200: answered = { rate: 0, p50: 0, p99: 0 }, 503: refused = { rate: 0 }, ...others } = over.answers;
  if (Object.keys(others).length > 0) throw new Error(`${name}: it is answered ${Object.keys(others)}`);
  return {
    peak,
    p99AtPeak: before.p99,
    answered: answered.rate,
    share: answered.rate / peak,
    p50: answered.p50,
    p99: answered.p99,
    refused: refused.rate,
    after: (accepted[0] ?? 0) / peak,
  };
}
