import { constants } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { print, type Shell } from '../console.ts';
import { databasePath, isSqlite } from '../database/index.ts';
import { CommandError } from '../errors.ts';

export function backup(program: Command, shell: Shell) {
  program
    .command('backup <file>')
    .description('write a verified copy of the SQLite database, which may be in use, to a new file')
    .option('-f, --force', 'overwrite the file')
    .action(async (file: string, { force = false }: { force?: boolean }) => {
      const path = sqlitePathOr(shell, (address) => `pg_dump --format=custom --file=${quote(file)} ${address}`);
      endOnSignal();
      const { backUpSqlite } = await import('../database/backup.ts');
      await backUpSqlite(path, resolve(file), { overwrite: force });
      print(shell, `Backed up to ${file}.`);
    });
}

export function restore(program: Command, shell: Shell) {
  program
    .command('restore <file>')
    .description('put a backup in the place of the SQLite database, which is kept under another name')
    .option('-f, --force', 'even where the database is so damaged that whether it is in use cannot be known')
    .action(async (file: string, { force = false }: { force?: boolean }) => {
      const path = sqlitePathOr(
        shell,
        (address) => `pg_restore --single-transaction --no-owner --dbname=${address} ${quote(file)}`,
      );
      endOnSignal();
      const { restoreSqlite } = await import('../database/backup.ts');
      const former = await restoreSqlite(resolve(file), path, { force });
      print(shell, `Restored ${file}.${former ? ` What was there is kept as ${former}.` : ''}`);
    });
}

/** Has a signal end the process by `process.exit`, which removes what is half done. A signal alone leaves it. */
function endOnSignal(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    if (!process.listeners(signal).includes(end)) process.once(signal, end);
  }
}

function end(signal: NodeJS.Signals): void {
  process.exit(128 + constants.signals[signal]);
}

/** The file of the configured database; for PostgreSQL says which of its own tools does it. */
function sqlitePathOr(shell: Shell, tool: (address: string) => string): string {
  const { DATABASE_URL: url } = loadConfig(shell.env);
  if (isSqlite(url)) return databasePath(url);
  throw new CommandError(`PostgreSQL has a tool of its own for this. Run: ${tool(quote(withoutPassword(url)))}`);
}

/** Without what other users of the machine could read in a list of processes; the tools ask for it, or read `PGPASSWORD`. */
function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return 'postgresql://…';
  const address = new URL(url);
  address.password = '';
  // What is left of a password that was not encoded.
  address.hash = '';
  for (const [name, value] of [...address.searchParams]) {
    if (!LIBPQ.has(name) || (name === 'sslmode' && !SSL_MODES.has(value))) address.searchParams.delete(name);
  }
  return address.href;
}

// What PostgreSQL's own tools know, and node-pg or Prisma too; they refuse all else.
const LIBPQ = new Set('host port dbname user sslmode sslrootcert sslcert sslkey application_name options'.split(' '));
const SSL_MODES = new Set('disable allow prefer require verify-ca verify-full'.split(' '));

/** For a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
