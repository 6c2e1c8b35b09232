import type { Mutex } from 'async-mutex';
import type Sqlite from 'better-sqlite3';
import { isLocked } from './errors.ts';
import { LOCK_RETRY_MS, LOCK_TIMEOUT_MS } from './locks.ts';

interface Waiting {
  /** when it came, by `performance.now()` */
  since: number;
  run(): unknown;
  resolve(result: never): void;
  reject(error: unknown): void;
}

// How long the first write of a group waits at most for others to come.
const MAX_WAIT_MS = 2;

/**
 * Gives the function that runs writes, each a single statement or a savepoint, in groups: those that come
 * close after each other share a transaction, and so one wait for the disk, and each is answered when the
 * transaction is on it. A write that fails undoes itself alone; where the commit fails, all fail. A group takes
 * its turn with Prisma's transactions. `onCommit` is called after each commit, before its writes are answered.
 */
export function groupWrites(
  connection: Sqlite.Database,
  turns: Mutex,
  onCommit: () => void,
): <Result>(run: () => Result) => Promise<Result> {
  const begin = connection.prepare('BEGIN IMMEDIATE');
  const commit = connection.prepare('COMMIT');
  const rollback = connection.prepare('ROLLBACK');
  let waiting: Waiting[] = [];

  return (run) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ since: performance.now(), run, resolve, reject }) === 1) setImmediate(gather, 0);
    });

  /** A group is complete when a turn of the event loop brings no more writes to it. */
  function gather(before: number): void {
    const isGrowing = waiting.length > before && performance.now() - (waiting[0]?.since ?? 0) < MAX_WAIT_MS;
    if (isGrowing) setImmediate(gather, waiting.length);
    else take();
  }

  function take(): void {
    if (turns.isLocked()) turns.runExclusive(runGroup);
    else runGroup();
  }

  /** Has a group wait that met the lock of another process, without those that have waited long enough. */
  function takeLater(group: Waiting[], error: unknown): void {
    const latest = performance.now() - LOCK_TIMEOUT_MS;
    for (const { since, reject } of group) if (since <= latest) reject(error);
    waiting = [...group.filter(({ since }) => since > latest), ...waiting];
    if (waiting.length > 0) setTimeout(take, LOCK_RETRY_MS);
  }

  function runGroup(): void {
    const group = waiting;
    waiting = [];
    try {
      begin.run();
    } catch (error) {
      if (isLocked(error)) takeLater(group, error);
      else for (const { reject } of group) reject(error);
      return;
    }
    try {
      const answers = group.map(runOne);
      commit.run();
      onCommit();
      for (const answer of answers) answer();
    } catch (error) {
      if (connection.inTransaction) rollback.run();
      for (const { reject } of group) reject(error);
    }
  }

  /** Runs a write, and gives what is to be done when its transaction is committed. */
  function runOne({ run, resolve, reject }: Waiting): () => void {
    try {
      const result = run() as never;
      return () => resolve(result);
    } catch (error) {
      // Some faults, such as a full disk, take the whole transaction with them.
      if (!connection.inTransaction) throw error;
      return () => reject(error);
    }
  }
}
