import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fill, makeDisk, makeService, surviveFullDisk, surviveKills, whyNoDisk } from '../durability.ts';
import { isOnPostgresql } from '../helper.ts';
import { call } from './helper.ts';

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
    (t) => surviveFullDisk(t, free, (line) => t.diagnostic(line)),
  );
}

test('a command says that the disk is full', { skip: skip || whyNoDisk() }, async (t) => {
  const place = makeDisk(t, 2 ** 20);
  const service = await makeService(place);
  fill(place, 0);
  assert.deepEqual(await call(['createtoken', 'paul'], service), {
    code: 1,
    stdout: '',
    stderr: 'todo-api: The database cannot be used: the disk is full\n',
  });
});
