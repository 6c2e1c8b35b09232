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
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'ENOENT',
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '08000',
  '08003',
  '08006',
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

const NO_ROOM_FOR_INDEX = 'SQLITE_IOERR_SHMSIZE';

/** Whether SQLite found no room on the disk. */
export const isDiskFull = (error: unknown) => hasCode(error, new Set(['SQLITE_FULL', NO_ROOM_FOR_INDEX]));

const BUSY = new Set<unknown>([
  'SQLITE_BUSY', // another process holds the lock
  'SQLITE_BUSY_SNAPSHOT',
  'SQLITE_FULL', // the disk is
  'SQLITE_IOERR_WRITE',
  'SQLITE_IOERR_FSYNC',
  NO_ROOM_FOR_INDEX,
  '53100', // disk_full
  '53300', // too_many_connections
  '55P03', // lock_not_available
  '57014', // query_canceled: the statement took too long
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '25P03', // idle_in_transaction_session_timeout
  'P1008', // Prisma: timeout
  'P2024',
  'P2028',
  'P2034',
]);
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
  if (originalCode || /^(SQLITE_\w+|\d[0-9A-Z]{4})$/.test(String(code))) return error;
  return findDriverError(cause) ?? findDriverError(meta?.driverAdapterError);
}

/** Whether the database could not answer now and may do so soon. */
export function isUnavailable(error: unknown): boolean {
  return (
    isBrokenConnection(error) || hasCode(error, BUSY) || BUSY_MESSAGE.test((error as DatabaseError)?.message ?? '')
  );
}
