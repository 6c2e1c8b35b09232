import { test } from 'node:test';
import { surviveFullDisk, surviveKills, whyNoDisk } from '../durability.ts';
import { isOnPostgresql } from '../helper.ts';

/** `npm run proof:kill` does more of the same. */
const skip = isOnPostgresql && 'this run is on PostgreSQL';

test('a service that is killed under load loses nothing that it acknowledged, nor does a backup', { skip }, (t) =>
  surviveKills(t, 2, (line) => t.diagnostic(line)),
);

for (const [name, free] of Object.entries({
  'as it writes the log': 300_000,
  'as the log is transferred': 6_000_000,
})) {
  test(
    `a service whose disk fills up ${name} refuses writes, loses none, and recovers`,
    {
      skip: skip || whyNoDisk(),
    },
    (t) => surviveFullDisk(t, free, 1, (line) => t.diagnostic(line)),
  );
}
