import { createRequire } from 'node:module';

/** Options of autocannon that are used here. */
export interface Load {
  url: string;
  connections: number;
  /** in seconds */
  duration: number;
  requests: { method: string; path: string; headers: Record<string, string>; body?: string }[];
}

export interface Measure {
  /** answers, and answers a second */
  requests: number;
  rate: number;
  /** milliseconds within which half and 99 % of them came */
  p50: number;
  p99: number;
  /** microseconds of its own processor time that the load generator spent on each */
  generator: number;
}

const autocannon = createRequire(import.meta.url)('autocannon');

const times: number[] = [];
const begin = process.cpuUsage();
const run = autocannon({ ...(JSON.parse(process.env.LOAD as string) as Load), sampleInt: 100 });
run.on('response', (_client: unknown, _status: number, _bytes: number, ms: number) => times.push(ms));
const { duration, errors, non2xx, statusCodeStats } = await run;
if (errors + non2xx > 0 || times.length === 0) {
  console.error(`${errors} errors, ${non2xx} answers not 2xx: ${JSON.stringify(statusCodeStats)}`);
  process.exit(1);
}
const { user, system } = process.cpuUsage(begin);
times.sort((a, b) => a - b);
const percentile = (share: number) => times[Math.floor(times.length * share)] as number;
const measure: Measure = {
  requests: times.length,
  rate: times.length / duration,
  p50: percentile(0.5),
  p99: percentile(0.99),
  generator: (user + system) / times.length,
};
console.log(JSON.stringify(measure));
