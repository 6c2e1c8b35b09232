import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config.ts';
import { openDatabase } from '../src/database/index.ts';
import { createUser } from '../src/users.ts';
import { median } from './report.ts';
import { SERVICE, withServers } from './servers.ts';

/**
 * Proves that the time of a refused login tells nobody whether there is such a user: measures, by turns
 * over one connection to the served service with its counting on, the wrong password of a user, an
 * unknown user, and the right password of an inactive user; and compares the times of each with those
 * of the first by the Mann-Whitney U test. Fails where they differ at p < 0.001 and by over 2 % in the
 * median: of a difference that is smaller than that, the noise of a network leaves nothing.
 */
const { values: options } = parseArgs({ options: { logins: { type: 'string', default: '300' } } });
const logins = Number(options.logins);
if (!(logins >= 20 && logins <= 100_000)) throw new Error('--logins must be a number from 20 to 100000');

const PASSWORD = 'wintry-marble-otter-51';
const WRONG = 'wintry-marble-otter-52';
// Of each kind, so that no single row decides.
const NAMES = 10;
const WARM_UP = 20;
// Of the normal distribution, two-sided, at p = 0.001.
const MAX_Z = 3.29;
const MAX_DIFFERENCE = 0.02;

const KINDS = {
  'known user, wrong password': (i: number) => ({ username: `known${i}`, password: WRONG }),
  'unknown user': (i: number) => ({ username: `other${i}`, password: WRONG }),
  'inactive user, right password': (i: number) => ({ username: `quiet${i}`, password: PASSWORD }),
};
type Kind = keyof typeof KINDS;

await withServers('proof:timing', async (servers) => {
  const settings = {
    DATABASE_URL: `file:${servers.directory}/todo.db`,
    LOGIN_FAILURES_PER_USER: '1000000',
    LOGIN_FAILURES_PER_ADDRESS: '1000000',
    SHUTDOWN_DELAY: '0',
  };
  await makeUsers(settings, servers.directory);
  const service = await servers.start(SERVICE, settings);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times = await measure(service.origin, agent).finally(() => agent.destroy());
  process.exitCode = report(times) ? 0 : 1;
});

async function makeUsers(settings: Record<string, string>, directory: string): Promise<void> {
  const { prisma, close } = await openDatabase(loadConfig(settings, directory));
  for (let i = 0; i < NAMES; i++) {
    for (const name of ['known', 'quiet']) {
      await createUser(prisma, { username: name + i, email: '', password: PASSWORD, isSuperuser: false });
    }
  }
  await prisma.user.updateMany({ where: { username: { startsWith: 'quiet' } }, data: { isActive: false } });
  await close();
}

/** Milliseconds of each login, the kinds by turns in an order that is drawn for each turn. */
async function measure(origin: string, agent: Agent): Promise<Record<Kind, number[]>> {
  const kinds = Object.keys(KINDS) as Kind[];
  const times = Object.fromEntries(kinds.map((kind) => [kind, [] as number[]])) as Record<Kind, number[]>;
  for (let i = 0; i < WARM_UP + logins; i++) {
    for (const kind of shuffle(kinds)) {
      const begin = process.hrtime.bigint();
      await logIn(origin, agent, KINDS[kind](i % NAMES));
      if (i >= WARM_UP) times[kind].push(Number(process.hrtime.bigint() - begin) / 1e6);
    }
  }
  return times;
}

async function logIn(origin: string, agent: Agent, credentials: object): Promise<void> {
  const body = JSON.stringify(credentials);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const outgoing = request(`${origin}/api/token`, { method: 'POST', headers, agent }).end(body);
  const [incoming] = await once(outgoing, 'response');
  await once(incoming.resume(), 'end');
  if (incoming.statusCode !== 400) throw new Error(`A login was answered ${incoming.statusCode}`);
}

function shuffle<Item>(items: Item[]): Item[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** Prints the table; gives whether no kind stands out. */
function report(times: Record<Kind, number[]>): boolean {
  const [first, ...others] = Object.values(times) as [number[], ...number[][]];
  const rows = Object.entries(times).map(([kind, samples]) => {
    const difference = `${(differenceOf(samples, first) * 100).toFixed(2)} % | ${zOf(samples, first).toFixed(2)}`;
    return `| ${kind} | ${median(samples).toFixed(3)} | ${samples === first ? ' | ' : difference} |`;
  });
  console.log(`${logins} logins each\n`);
  console.log(['| | median (ms) | difference | z |', '|---|--:|--:|--:|', ...rows, ''].join('\n'));
  const isProven = others.every(
    (samples) => Math.abs(zOf(samples, first)) <= MAX_Z || Math.abs(differenceOf(samples, first)) <= MAX_DIFFERENCE,
  );
  const bounds = `|z| over ${MAX_Z} (p < 0.001) and ${MAX_DIFFERENCE * 100} % of difference`;
  console.log(isProven ? `Proven: none has ${bounds}.` : `Not proven: one has ${bounds}.`);
  return isProven;
}

/** How far the Mann-Whitney U of two samples lies from what it is where they do not differ, in standard deviations. */
function zOf(one: number[], other: number[]): number {
  const values = [...one.map((value) => ({ value, isOne: true })), ...other.map((value) => ({ value, isOne: false }))];
  values.sort((a, b) => a.value - b.value);
  // Nanoseconds are hardly ever the same twice, so ties need no care.
  const ranks = values.reduce((sum, { isOne }, index) => sum + (isOne ? index + 1 : 0), 0);
  const [m, n] = [one.length, other.length];
  const u = ranks - (m * (m + 1)) / 2;
  return (u - (m * n) / 2) / Math.sqrt((m * n * (m + n + 1)) / 12);
}

function differenceOf(one: number[], other: number[]): number {
  return median(one) / median(other) - 1;
}
