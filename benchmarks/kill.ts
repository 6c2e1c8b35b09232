import { parseArgs } from 'node:util';
import { surviveFullDisk, surviveKills, whyNoDisk } from '../test/durability.ts';

/**
 * Proves on SQLite that no acknowledged write is lost where the service is killed, or its disk fills up;
 * fails at the first that is.
 */
const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '20' } } });

const cleanups: (() => unknown)[] = [];
const t = { after: (cleanup: () => unknown) => void cleanups.unshift(cleanup) };
async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0)) await cleanup();
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => cleanUp().then(() => process.exit(1)));
try {
  await surviveKills(t, Number(options.rounds), console.log);
  const reason = whyNoDisk();
  if (reason) console.log(`No disk was filled: ${reason}`);
  else for (const free of [300_000, 6_000_000, 300_000, 6_000_000]) await surviveFullDisk(t, free, console.log);
  console.log('Proven.');
} finally {
  await cleanUp();
}
