import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cases, prepareCases } from '../contract/cases.ts';
import { build, isOnPostgresql, makeDatabase, send, until } from '../helper.ts';
import { hasPgbouncer, startPgbouncer } from '../pgbouncer.ts';

const skip = !isOnPostgresql ? 'this run is on SQLite' : !hasPgbouncer && 'pgbouncer is not installed';

/** In transaction mode, where each statement may meet another connection of the server, and two are there in all. */
test('the service works behind pgbouncer', { skip }, async (t) => {
  const { DATABASE_URL = '' } = await makeDatabase(t);
  const { url, administer } = await startPgbouncer(t, new URL(DATABASE_URL));
  const settings = { DATABASE_URL: url, DATABASE_NAMED_STATEMENTS: 'false' };
  const service = await build(t, settings);
  const { repeat, fill } = await prepareCases(service);
  for (const recorded of cases) {
    const statuses = (await repeat(recorded)).map(({ status }) => status);
    const expected = recorded.exchanges.map(({ answer }) => answer.status);
    assert.deepEqual(statuses, expected, recorded.id);
  }
  const headers = { authorization: fill('Token {{token}}') };
  const crowd = Array.from({ length: 20 }, (_, i) =>
    i % 2
      ? send(service.origin, 'GET', '/api/v1/todo/?limit=3', { headers })
      : send(service.origin, 'POST', '/api/v1/todo/', { headers, json: { title: `${i}` } }),
  );
  for (const { status } of await Promise.all(crowd)) assert.ok(status === 200 || status === 201, String(status));

  await t.test('and is unavailable while pgbouncer has no server for it', async (t) => {
    const { origin } = await build(t, { ...settings, DATABASE_TIMEOUT: '200' });
    const list = () => send(origin, 'GET', '/api/v1/todo/?limit=3', { headers });
    const name = new URL(url).pathname.slice(1);
    // It closes all connections and takes no new one; it holds those who ask; it refuses them.
    for (const [hinder, release] of [
      [`KILL ${name}`, `RESUME ${name}`],
      [`PAUSE ${name}`, `RESUME ${name}`],
      [`DISABLE ${name}`, `ENABLE ${name}`],
    ] as const) {
      await administer(hinder, ...(hinder.startsWith('DISABLE') ? [`KILL ${name}`, `RESUME ${name}`] : []));
      for (const path of ['/api/v1/todo/?limit=3', '/readyz']) {
        const { status, text } = await send(origin, 'GET', path, { headers });
        assert.equal(status, 503, `${hinder} ${path}: ${text}`);
      }
      await administer(release);
      await until('it answers again', async () => (await list()).status === 200);
    }
  });
});
