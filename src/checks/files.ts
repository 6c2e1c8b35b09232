import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Config, ConfigError } from '../config.ts';
import { databasePath, isSqlite } from '../database/index.ts';
import { loadJwtKeys } from '../jwt-keys.ts';
import { secretPath } from '../secret.ts';
import { type Check, error, type Finding, findingsOf, warning } from './finding.ts';

// POSIX modes.
const GROUP_OR_OTHERS = 0o077;
const GROUP_OR_OTHERS_WRITE = 0o022;
const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
const OTHERS_ENTER = 0o001;

/** Who else on this machine reaches the files of the service. */
export const FILE_CHECKS: Check[] = [
  function* envFile(): Generator<Finding> {
    yield* checkPrivate('.env', '.env');
  },

  function* secretFile(config: Config): Generator<Finding> {
    if (config.SECRET_KEY !== undefined || !isSqlite(config.DATABASE_URL)) return;
    const path = secretPath(config);
    if (!existsSync(path)) return;
    yield* checkPrivate('SECRET_KEY', path);
    if (readText(path) !== undefined) return;
    yield error(
      'SECRET_KEY',
      `${path} cannot be read.`,
      'Run this as the user of the service, who has to own that file.',
    );
  },

  function* jwtKeyFiles({ JWT_KEY_FILES: paths, ...config }: Config): Generator<Finding> {
    try {
      if (paths.length > 0) loadJwtKeys({ ...config, JWT_KEY_FILES: paths, SECRET_KEY: '' });
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      yield* findingsOf(cause);
      // What is there may be keys in the place of paths, which nothing may show.
      return;
    }
    for (const path of paths) {
      const isPublic = !readText(path)?.includes('PRIVATE KEY-----');
      yield* checkPrivate('JWT_KEY_FILES', path, isPublic ? GROUP_OR_OTHERS_WRITE : GROUP_OR_OTHERS);
    }
  },

  function* databaseFile({ DATABASE_URL: url }: Config): Generator<Finding> {
    if (!isSqlite(url)) return;
    const path = databasePath(url);
    const directory = dirname(path);
    if (othersMay(OTHERS_WRITE, directory)) {
      yield error(
        'DATABASE_URL',
        `Every user of this machine can put files into ${directory}, and so change the database.`,
        `Keep the database in a directory of its own, or run: chmod o-w '${directory}'`,
      );
    }
    const remedy = `Run: chmod 700 '${directory}', or chmod 600 '${path}'`;
    if (othersMay(OTHERS_WRITE, path)) {
      yield error('DATABASE_URL', `Every user of this machine can change ${path}.`, remedy);
    } else if (othersMay(OTHERS_READ, path)) {
      yield warning('DATABASE_URL', `Every user of this machine can read ${path}, and so all that users have.`, remedy);
    }
  },

  function* superuser(): Generator<Finding> {
    if (process.getuid?.() !== 0) return;
    yield warning(
      'root',
      'This runs as root; where the service does so too, a fault in it gives the whole machine away.',
      'Run the service, and this check, as a user of its own.',
    );
  },
];

/** The secret that is kept beside the SQLite file; undefined where none is, or it is not in use or cannot be read. */
export function readSecretFile(config: Config): string | undefined {
  return config.SECRET_KEY === undefined && isSqlite(config.DATABASE_URL)
    ? readText(secretPath(config))?.trim()
    : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function* checkPrivate(setting: string, path: string, forbidden = GROUP_OR_OTHERS): Generator<Finding> {
  const excess = modeOf(path) & forbidden;
  if (excess === 0) return;
  const verb = excess & GROUP_OR_OTHERS_WRITE ? 'change' : 'read';
  yield error(
    setting,
    `Other users of this machine can ${verb} ${path}.`,
    `Run: chmod go= '${path}'. Renew what is in it where they are not to be trusted.`,
  );
}

/** Whether users who are neither the owner nor of the group may do something with a file, and get as far as it. */
function othersMay(what: number, path: string): boolean {
  if ((modeOf(path) & what) === 0) return false;
  for (let directory = dirname(realpathSync(path)); ; directory = dirname(directory)) {
    if ((modeOf(directory) & OTHERS_ENTER) === 0) return false;
    if (directory === dirname(directory)) return true;
  }
}

/** Who may do what with a file; 0 where there is none to be seen, or the system says it in another way. */
function modeOf(path: string): number {
  return existsSync(path) && process.platform !== 'win32' ? statSync(path).mode : 0;
}
