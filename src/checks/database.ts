import { statSync } from 'node:fs';
import type { Config } from '../config.ts';
import { databasePath, describeFault, isSqlite, MigrationError } from '../database/index.ts';
import { findNextMigration, readMigrations } from '../database/migrations.ts';
import { type View, viewDatabase } from '../database/read-only.ts';
import { error, type Finding, warning } from './finding.ts';
import { isLoopback } from './hosts.ts';

const YEAR_MS = 365 * 24 * 3600 * 1000;

type DatabaseCheck = (view: View, config: Config) => AsyncIterable<Finding>;

/** What is asked of PostgreSQL itself. */
export const SERVER_CHECKS: DatabaseCheck[] = [
  async function* role(view) {
    const [me] = await view.select<{ rolsuper: boolean }>('SELECT rolsuper FROM pg_roles WHERE rolname = current_user');
    if (!me?.rolsuper) return;
    yield warning(
      'DATABASE_URL',
      'The service is a superuser of PostgreSQL, who may do more than it needs, and run programs besides.',
      "Make a role of its own: CREATE ROLE todo LOGIN PASSWORD '…', and have it own the database.",
    );
  },

  async function* poolerEncryption(view, config) {
    if ((await encryptionOf(config)) !== 'verified') return;
    const [connection] = await view.select<{ ssl: boolean }>(
      'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
    );
    if (connection?.ssl !== false) return;
    yield warning(
      'DATABASE_URL',
      'PostgreSQL is asked by something between, such as a pooler, and in the clear.',
      'Have that use TLS as well, unless it is on the same machine.',
    );
  },
];

/** What is asked of the data. */
const DATA_CHECKS: DatabaseCheck[] = [
  async function* superusers(view) {
    if ((await count(view, 'users WHERE is_active AND is_superuser')) > 0) return;
    yield warning('users', 'There is no active superuser.', 'Make one: npx todo-api createsuperuser');
  },

  async function* forgottenTokens(view) {
    const yearAgo = new Date(Date.now() - YEAR_MS).toISOString().replace('Z', '+00:00');
    const forgotten = `expires_at IS NULL AND coalesce(last_used_at, created_at) < '${yearAgo}'`;
    const tokens = await count(view, `api_tokens WHERE ${forgotten}`);
    if (tokens === 0) return;
    yield warning(
      'API tokens',
      `Without an end, and not used for a year: ${tokens}.`,
      'End those that nobody needs: npx todo-api studio lists them.',
    );
  },
];

/** How the database is reached, and what is in it. */
export async function* checkDatabase(config: Config): AsyncGenerator<Finding> {
  const { DATABASE_URL: url } = config;
  yield* checkEncryption(config);
  let view: View | undefined;
  try {
    if (isSqlite(url) && !statSync(databasePath(url), { throwIfNoEntry: false })) {
      yield warning('DATABASE_URL', `${databasePath(url)} does not exist yet.`, 'The first start makes it.');
      return;
    }
    view = await viewDatabase(config);
    if (!isSqlite(url)) for (const check of SERVER_CHECKS) yield* check(view, config);
    const next = findNextMigration(readMigrations(isSqlite(url) ? 'sqlite' : 'postgresql'), await view.applied());
    if (next) yield error('DATABASE_URL', `The database lacks migration ${next.name}.`, 'Run: npx todo-api migrate');
    else for (const check of DATA_CHECKS) yield* check(view, config);
  } catch (cause) {
    yield describeFailure(config, cause as Error & { code?: string });
  } finally {
    await view?.close();
  }
}

function describeFailure({ DATABASE_URL: url }: Config, cause: Error & { code?: string }): Finding {
  if (cause instanceof MigrationError) {
    return error('DATABASE_URL', cause.message, 'Run the version of the service that the database belongs to.');
  }
  // Where all addresses of a host fail, the error says nothing but a code.
  const reason = describeFault(cause) ?? (cause.message || cause.code);
  const remedy = isSqlite(url) ? 'Name a SQLite file of the user who runs this.' : 'Mend the URL, or the server.';
  return error('DATABASE_URL', `The database cannot be used: ${reason}.`, remedy);
}

async function* checkEncryption(config: Config): AsyncGenerator<Finding> {
  const encryption = await encryptionOf(config);
  if (encryption === 'none') {
    yield error(
      'DATABASE_URL',
      'PostgreSQL is on another machine, and all that it is told and answers travels in the clear.',
      'Add sslmode=verify-full to the URL.',
    );
  } else if (encryption === 'unverified') {
    yield error(
      'DATABASE_URL',
      'PostgreSQL is on another machine, and whoever is on the way may pass for it.',
      'Add sslmode=verify-full to the URL, and sslrootcert where its certificate is not of a public authority.',
    );
  } else if (encryption === 'verified' && !/[?&]sslmode=verify-(full|ca)\b/.test(config.DATABASE_URL)) {
    yield warning(
      'DATABASE_URL',
      'PostgreSQL is on another machine, and whether its certificate is verified depends on the version of the driver.',
      'Say sslmode=verify-full in the URL.',
    );
  }
}

/** How the connection to another machine is encrypted; undefined where there is none, or the driver refuses the URL. */
async function encryptionOf({ DATABASE_URL: url }: Config): Promise<'none' | 'unverified' | 'verified' | undefined> {
  if (isSqlite(url)) return undefined;
  const { Client } = await import('pg');
  try {
    const client = new Client({ connectionString: url });
    const ssl = client.ssl as boolean | { rejectUnauthorized?: boolean };
    // A path is that of a socket.
    if (client.host.startsWith('/') || isLoopback(client.host)) return undefined;
    if (!ssl) return 'none';
    return ssl !== true && ssl.rejectUnauthorized === false ? 'unverified' : 'verified';
  } catch {
    return undefined;
  }
}

async function count(view: View, rows: string): Promise<number> {
  const [row] = await view.select<{ count: number | string }>(`SELECT count(*) AS count FROM ${rows}`);
  return Number(row?.count);
}
