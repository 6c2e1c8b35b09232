import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Client } from 'pg';
import { inDatabase, temporaryDirectory, until } from './helper.ts';
import { freePort } from './ports.ts';

export interface Pgbouncer {
  /** of the server's database, by way of pgbouncer */
  url: string;
  /** Gives commands to pgbouncer's own console. */
  administer(...commands: string[]): Promise<void>;
  /** Has another server in the place of the first. */
  moveTo(server: URL): Promise<void>;
}

export const hasPgbouncer = (() => {
  try {
    return execFileSync('pgbouncer', ['--version']).length > 0;
  } catch {
    return false;
  }
})();

/** A pgbouncer in transaction mode before a server's database. */
export async function startPgbouncer(
  t: Pick<TestContext, 'after'>,
  server: URL,
  { poolSize = 2 } = {},
): Promise<Pgbouncer> {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const file = join(directory, 'pgbouncer.ini');
  const port = await freePort();
  const name = server.pathname.slice(1);
  const configure = ({ hostname, port: serverPort, username, password }: URL) =>
    writeFileSync(
      file,
      `[databases]
${name} = host=${hostname} port=${serverPort} dbname=${name} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
admin_users = postgres
server_login_retry = 0.1
default_pool_size = ${poolSize}
ignore_startup_parameters = extra_float_digits, statement_timeout, idle_in_transaction_session_timeout
`,
    );
  configure(server);
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
    return run(url, []).then(
      () => true,
      () => false,
    );
  });
  const administer = (...commands: string[]) => run(inDatabase(url, 'pgbouncer'), commands);
  return {
    url,
    administer,
    async moveTo(other) {
      configure(other);
      await administer('RELOAD');
    },
  };
}

async function run(url: string, commands: string[]): Promise<void> {
  const client = new Client(url);
  await client.connect();
  for (const command of commands) await client.query(command);
  await client.end();
}
