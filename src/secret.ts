import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Config, ConfigError } from './config.ts';
import { databasePath } from './database/index.ts';
import { draftOf, makeDirectoryOf, nameDraft } from './files.ts';

/** The configured secret, or the one that is kept beside the database. */
export function secretKeyOf(config: Config): string {
  return config.SECRET_KEY ?? readOrCreateSecret(secretPath(config));
}

/** Where the secret is kept that is made at first start, beside the SQLite file. */
export function secretPath(config: Config): string {
  return join(dirname(databasePath(config.DATABASE_URL)), 'secret.key');
}

/**
 * The secret in a file, made at random on first use and readable by its owner alone (mode 0600).
 * Of two processes that make it at once, both get the one that was there first.
 * @throws {ConfigError} where the file holds less than 32 bytes
 */
export function readOrCreateSecret(path: string): string {
  try {
    return readSecret(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  makeDirectoryOf(path);
  const draft = draftOf(path);
  writeFileSync(draft, `${randomBytes(48).toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    nameDraft(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readSecret(path);
}

function readSecret(path: string): string {
  const secret = readFileSync(path, 'utf8').trim();
  if (Buffer.byteLength(secret) < 32) throw new ConfigError(`SECRET_KEY in ${path} must have 32 bytes or more`);
  return secret;
}
