import { resolve } from 'node:path';

/** Whether a database is a SQLite file, and so this machine's own. */
export function isSqlite(url: string): boolean {
  return url.startsWith('file:');
}

/** The absolute path of the SQLite file that a `file:` URL names. */
export function databasePath(url: string): string {
  return resolve(url.replace(/^file:(\/\/)?/, ''));
}
