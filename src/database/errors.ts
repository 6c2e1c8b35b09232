/** The facts about a failed statement that callers act on, whichever driver it failed in. */

interface DatabaseError {
  code?: unknown;
  message?: string;
  /** the driver's, in Prisma's wrapping */
  originalCode?: string;
  originalMessage?: string;
  cause?: unknown;
  meta?: { driverAdapterError?: unknown };
}

const codesOf = (error: unknown): unknown[] => {
  if (typeof error !== 'object' || error === null) return [];
  const { code, originalCode, cause, meta } = error as DatabaseError;
  return [code, originalCode, ...codesOf(cause), ...codesOf(meta?.driverAdapterError)];
};

const hasCode = (error: unknown, codes: Set<unknown>) => codesOf(error).some((code) => codes.has(code));

/** Whether Prisma refused a value that must be unique. */
export const isUniqueViolation = (error: unknown) => (error as DatabaseError).code === 'P2002';

const MISSING = new Set<unknown>(['P2025', 'P2003', 'SQLITE_CONSTRAINT_FOREIGNKEY', '23503']);

/** Whether there was no record of the condition to write to, or to refer to. */
export const isMissing = (error: unknown) => hasCode(error, MISSING);

// The connection, not the statement, failed: the server went away, or was not there.
const BROKEN = new Set<unknown>([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '08P01', // what pgbouncer says where it has no server
  'P1001',
  'P1002',
  'P1017',
]);
// pg gives these no code.
const BROKEN_MESSAGE = /^(Connection terminated|Client has encountered a connection error|Client was closed)/;

/** Whether the connection to PostgreSQL broke, or could not be made. */
export function isBrokenConnection(error: unknown): boolean {
  return hasCode(error, BROKEN) || BROKEN_MESSAGE.test((error as DatabaseError)?.message ?? '');
}

const UNPREPARED = new Set<unknown>(['26000']);

/** Whether a statement was to be prepared on its connection by one before it, and that one failed. */
export function isUnprepared(error: unknown): boolean {
  return hasCode(error, UNPREPARED);
}

const LOCKED = new Set<unknown>(['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', 'SQLITE_BUSY_RECOVERY', 'SQLITE_LOCKED']);

/** Whether another process holds the lock on the SQLite file. */
export const isLocked = (error: unknown) => hasCode(error, LOCKED);

const NO_ROOM_FOR_INDEX = 'SQLITE_IOERR_SHMSIZE';

/** Whether SQLite found no room on the disk. */
export const isDiskFull = (error: unknown) => hasCode(error, new Set(['SQLITE_FULL', NO_ROOM_FOR_INDEX]));

/**
 * The classes of SQLSTATE (PostgreSQL's documentation, appendix A) by which the database is not there or cannot be
 * used now. By all other classes the statement is at fault.
 */
export const UNUSABLE_CLASSES: Record<string, string> = {
  '08': 'connection exception',
  '25': 'invalid transaction state, such as a server that is read-only since a failover',
  '26': 'invalid SQL statement name, such as one that a pooler does not know',
  '28': 'invalid authorization',
  '3D': 'the database does not exist',
  '3F': 'the schema does not exist',
  '40': 'transaction rollback, such as a deadlock',
  '53': 'insufficient resources',
  '55': 'object not in prerequisite state, such as a lock that is not available',
  '57': 'operator intervention, such as a statement that took too long',
  '58': 'system error',
  F0: 'configuration file error',
  P1: "Prisma's own words for a server that it cannot use",
  XX: 'internal error, such as data that is corrupted',
};

// Of the classes that are the statement's fault, and of Prisma.
const UNUSABLE_CODES = new Set<unknown>([
  '42501', // insufficient_privilege
  'P2024', // Prisma: no connection in time
  'P2028', // Prisma: a transaction ended
  'P2034', // Prisma: a deadlock
  'P2037', // Prisma: too many connections
]);
// SQLite's result codes (https://sqlite.org/rescode.html), and the connection's to PostgreSQL by TLS.
const UNUSABLE_FAMILY =
  /^(SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|PERM|CORRUPT|NOTADB|PROTOCOL|NOMEM)|ERR_(TLS|SSL)_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

function isUnusable(given: unknown): boolean {
  const code = String(given);
  const isSqlstate = /^[0-9A-Z]{5}$/.test(code);
  return UNUSABLE_CODES.has(code) || UNUSABLE_FAMILY.test(code) || (isSqlstate && code.slice(0, 2) in UNUSABLE_CLASSES);
}

const BUSY_MESSAGE = /^(timeout exceeded when trying to connect|Query read timeout)/;

/** What the database's driver says of its fault, for the person at the console; undefined for any other error. */
export function describeFault(error: unknown): string | undefined {
  const { code, originalMessage, message } = findDriverError(error) ?? {};
  // SQLite calls it an I/O error where it is the index of the log that finds no room.
  if (code === NO_ROOM_FOR_INDEX) return 'the disk is full';
  return originalMessage ?? message;
}

function findDriverError(error: unknown): DatabaseError | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, originalCode, cause, meta } = error as DatabaseError;
  if (originalCode || /^(SQLITE_\w+|(\d[0-9A-Z]|F0|XX)[0-9A-Z]{3})$/.test(String(code))) return error;
  return findDriverError(cause) ?? findDriverError(meta?.driverAdapterError);
}

/** Whether the database could not answer now and may do so soon. */
export function isUnavailable(error: unknown): boolean {
  return (
    isBrokenConnection(error) ||
    codesOf(error).some(isUnusable) ||
    BUSY_MESSAGE.test((error as DatabaseError)?.message ?? '')
  );
}
