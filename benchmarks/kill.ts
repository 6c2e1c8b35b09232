import { surviveFullDisk, surviveKills } from '../test/durability.ts';

const cleanups: (() => unknown)[] = [];
const t = { after: (fn: () => unknown) => void cleanups.unshift(fn) };
const what = process.argv[2];
try {
  if (what !== 'disk') await surviveKills(t, 4, console.log);
  if (what !== 'kill') for (const free of [300_000, 6_000_000]) await surviveFullDisk(t, free, console.log);
} finally {
  for (const c of cleanups) await c();
}
