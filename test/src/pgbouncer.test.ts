import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client } from 'pg';
import { cases, prepareCases } from '../contract/cases.ts';
import { build, inDatabase, isOnPostgresql, makeDatabase, send, temporaryDirectory, until } from '../helper.ts';
import { freePort } from '../ports.ts';

const isInstalled = (() => {
  try {
    return execFileSync('pgbouncer', ['--version']).length > 0;
  } catch {
    return false;
  }
})();
const skip = !isOnPostgresql ? 'this run is on SQLite' : !isInstalled && 'pgbouncer is not installed';

/** In transaction mode, where each statement may meet another connection of the server, and two are there in all. */
test('the service works behind pgbouncer', { skip }, async (t) => {
  const { DATABASE_URL = '' } = await makeDatabase(t);
  const url = await startPgbouncer(t, new URL(DATABASE_URL));
  const service = await build(t, {
    DATABASE_URL: url,
    DATABASE_NAMED_STATEMENTS: 'false',
    DATABASE_TIMEOUT: '1000',
  });
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

  await t.test('and is unavailable while pgbouncer has no server for it', async () => {
    const list = () => send(service.origin, 'GET', '/api/v1/todo/?limit=3', { headers });
    const name = new URL(url).pathname.slice(1);
    // It closes all connections and takes no new one; it holds those who ask; it refuses them.
    for (const [hinder, release] of [
      [`KILL ${name}`, `RESUME ${name}`],
      [`PAUSE ${name}`, `RESUME ${name}`],
      [`DISABLE ${name}`, `ENABLE ${name}`],
    ] as const) {
      await administer(url, hinder, ...(hinder.startsWith('DISABLE') ? [`KILL ${name}`, `RESUME ${name}`] : []));
      for (const path of ['/api/v1/todo/?limit=3', '/readyz']) {
        const { status, text } = await send(service.origin, 'GET', path, { headers });
        assert.equal(status, 503, `${hinder} ${path}: ${text}`);
      }
      await administer(url, release);
      await until('it answers again', async () => (await list()).status === 200);
    }
  });
});

/** Gives commands to pgbouncer's own console. */
async function administer(url: string, ...commands: string[]): Promise<void> {
  const client = new Client(inDatabase(url, 'pgbouncer'));
  await client.connect();
  for (const command of commands) await client.query(command);
  await client.end();
}

async function startPgbouncer(t: TestContext, server: URL): Promise<string> {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const port = await freePort();
  const name = server.pathname.slice(1);
  const settings = `[databases]
${name} = host=${server.hostname} port=${server.port} dbname=${name} user=${server.username} password=${server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
admin_users = postgres
server_login_retry = 0.1
default_pool_size = 2
ignore_startup_parameters = extra_float_digits, statement_timeout, idle_in_transaction_session_timeout
`;
  const file = join(directory, 'pgbouncer.ini');
  writeFileSync(file, settings);
  // Like PostgreSQL, it does not run as root.
  const args = process.getuid?.() === 0 ? ['-u', 'nobody', file] : [file];
  const child = spawn('pgbouncer', args, { stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const url = `postgresql://postgres@127.0.0.1:${port}/${name}`;
  await until('pgbouncer answers', () => {
    assert.equal(child.exitCode, null, 'pgbouncer did not start');
    return answers(url);
  });
  return url;
}

async function answers(url: string): Promise<boolean> {
  const client = new Client(url);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}
