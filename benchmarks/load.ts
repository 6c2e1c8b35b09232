import { createRequire } from 'node:module';

/** Options of autocannon that are used here. */
export interface Load {
  url: string;
  connections: number;
  /** in seconds */
  duration: number;
  requests: { method: string; path: string; headers: Record<string, string>; body?: string }[];
}

/** Answers per second, and the milliseconds within which half and 99 % of them came. */
export interface Measure {
  rate: number;
  p50: number;
  p99: number;
}

const autocannon = createRequire(import.meta.url)('autocannon');

const times: number[] = [];
const run = autocannon({ ...(JSON.parse(process.argv[2] as string) as Load), sampleInt: 100 });
run.on('response', (_client: unknown, _status: number, _bytes: number, ms: number) => times.push(ms));
const { duration, errors, non2xx, statusCodeStats } = await run;
if (errors + non2xx > 0 || times.length === 0) {
  console.error(`${errors} errors, ${non2xx} answers not 2xx: ${JSON.stringify(statusCodeStats)}`);
  process.exit(1);
}
times.sort((a, b) => a - b);
const percentile = (share: number) => times[Math.floor(times.length * share)];
console.log(JSON.stringify({ rate: times.length / duration, p50: percentile(0.5), p99: percentile(0.99) }));
