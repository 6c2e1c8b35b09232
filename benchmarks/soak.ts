import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './report.ts';
import { memoryOf, SERVICE, type Server, withServers } from './servers.ts';
import { type Authorizations, credentials, listWorks, makeTodos, makeUsers, SETTINGS, send } from './works.ts';

/**
 * Proves that the memory of the service does not grow with the requests that it has answered: puts it on
 * SQLite under nine lists to one update over 16 connections, and beside them creates and deletes todos and
 * logs in, refreshes, verifies and logs out, and fails at the first answer that is not 2xx.
 *
 * Every ten seconds all of them pause, the garbage is collected, and the heap and the resident memory are
 * read: uncollected, garbage may grow for a long time before Node minds, and a leak cannot be told from it.
 * At first memory grows as code is compiled and caches fill. So the first fifth is left out, and the median
 * of the last fifth is compared with that of the second. It fails where the heap, which hardly varies, is
 * over 10 % more, or the resident memory, which does, over 10 % and over 10 MB. In ten minutes millions of
 * requests lie between the two, of which each must leave a few bytes behind to fail it.
 */
const { values: options } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(options.minutes);
if (!(minutes > 0 && minutes <= 10_000)) throw new Error('--minutes must be a number up to 10000');

const MAX_GROWTH = 0.1;
const MAX_GROWTH_MB = { heap: 0, 'resident memory': 10 };
type Memory = Record<keyof typeof MAX_GROWTH_MB, number>;
const SAMPLES = 20;
const JSON_TYPE = { 'content-type': 'application/json' };
// In seconds; the criterion needs some samples of each fifth, however short.
const interval = Math.min(10, (minutes * 60) / SAMPLES);

await withServers('proof:soak', async (servers) => {
  const heapFile = join(servers.directory, 'heap');
  const NODE_OPTIONS = `--import=${pathToFileURL(join(import.meta.dirname, 'heap.js'))}`;
  const database = { DATABASE_URL: `file:${servers.directory}/todo.db` };
  const settings = { ...SETTINGS, LOGIN_THROTTLE: 'on', ...database, NODE_OPTIONS, HEAP_FILE: heapFile };
  await makeUsers(settings, servers.directory);
  const service = await servers.start(SERVICE, settings);
  const authorizations = await makeTodos(service);
  const { requests, connections } = listWorks(authorizations).mixed;

  const samples: Memory[] = [];
  let answered = 0;
  const count = Math.round((minutes * 60) / interval);
  console.log('| time (s) | answers | heap (MB) | resident memory (MB) |\n|--:|--:|--:|--:|');
  for (let i = 1; i <= count; i++) {
    const end = performance.now() + interval * 1000;
    const [load, ...others] = await Promise.all([
      servers.load(service, { requests, connections, duration: interval }),
      repeat(end, 100, () => createAndDelete(service, authorizations)),
      repeat(end, 1000, () => logInAndOut(service)),
    ]);
    answered += others.reduce((sum, requests) => sum + requests, load.requests);
    const sample = { heap: await heapOf(service, heapFile), 'resident memory': await memoryOf(service.pid) };
    samples.push(sample);
    const cells = [i * interval, answered, ...Object.values(sample)];
    console.log(`| ${cells.map((cell) => cell.toFixed()).join(' | ')} |`);
  }
  process.exitCode = isProven(samples) ? 0 : 1;
});

/** Repeats what makes some requests, with pauses in ms, until the end; gives how many requests that were. */
async function repeat(end: number, pause: number, run: () => Promise<number>): Promise<number> {
  let requests = 0;
  do {
    requests += await run();
    await setTimeout(pause);
  } while (performance.now() < end);
  return requests;
}

async function createAndDelete(service: Server, { writer }: Authorizations): Promise<number> {
  const headers = { authorization: writer };
  const body = JSON.stringify({ title: 'Buy milk', body: 'two litres' });
  const path = '/api/v1/todo/';
  const created = await send(service, { method: 'POST', path, headers: { ...headers, ...JSON_TYPE }, body });
  await send(service, { method: 'DELETE', path: `${path}${JSON.parse(created.body).id}/`, headers });
  return 2;
}

/** By both schemes; the pair of JWTs is refreshed, used, verified and ended. */
async function logInAndOut(service: Server): Promise<number> {
  const post = async (path: string, body: string) =>
    JSON.parse((await send(service, { method: 'POST', path, headers: JSON_TYPE, body })).body);
  await post('/api/token', credentials('writer'));
  const { refresh } = await post('/api/jwt/token/', credentials('writer'));
  const { access } = await post('/api/jwt/token/refresh/', JSON.stringify({ refresh }));
  await post('/api/jwt/token/verify/', JSON.stringify({ token: access }));
  await send(service, { method: 'GET', path: '/api/v1/todo/', headers: { authorization: `Bearer ${access}` } });
  await post('/api/jwt/token/blacklist/', JSON.stringify({ refresh }));
  return 6;
}

/** Megabytes of the heap that are left when the garbage is collected. */
async function heapOf(service: Server, path: string): Promise<number> {
  rmSync(path, { force: true });
  process.kill(service.pid, 'SIGURG');
  for (let tries = 0; !existsSync(path); tries++) {
    if (tries > 1000) throw new Error('The service does not tell its heap.');
    await setTimeout(10);
  }
  return Number(readFileSync(path, 'utf8')) / 2 ** 20;
}

/** Prints what became of the memory; gives whether it stayed. */
function isProven(samples: Memory[]): boolean {
  const fifth = Math.floor(samples.length / 5);
  const kinds = Object.keys(MAX_GROWTH_MB) as (keyof Memory)[];
  const grown = kinds.filter((kind) => {
    const of = (some: Memory[]) => median(some.map((sample) => sample[kind]));
    const [before, after] = [of(samples.slice(fifth, 2 * fifth)), of(samples.slice(-fifth))];
    console.log(`${kind}: ${before.toFixed(1)} MB in the second fifth of the time, ${after.toFixed(1)} MB in the last`);
    return after - before > Math.max(before * MAX_GROWTH, MAX_GROWTH_MB[kind]);
  });
  console.log(grown.length > 0 ? `Not proven: there is more ${grown.join(' and ')}.` : 'Proven: memory stays.');
  return grown.length === 0;
}
