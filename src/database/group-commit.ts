import type { Mutex } from 'async-mutex';
import type Sqlite from 'better-sqlite3';

interface Waiting {
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
  let waitingSince = 0;

  return (run) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ run, resolve, reject }) > 1) return;
      waitingSince = performance.now();
      setImmediate(gather, 0);
    });

  /** A group is complete when a turn of the event loop brings no more writes to it. */
  function gather(before: number): void {
    const isGrowing = waiting.length > before && performance.now() - waitingSince < MAX_WAIT_MS;
    if (isGrowing) setImmediate(gather, waiting.length);
    else if (turns.isLocked()) turns.runExclusive(runGroup);
    else runGroup();
  }

  function runGroup(): void {
    const group = waiting;
    waiting = [];
    try {
      begin.run();
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
