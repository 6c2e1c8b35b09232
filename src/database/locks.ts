import { setTimeout } from 'node:timers/promises';
import { isLocked } from './errors.ts';

/** How long a statement waits for the lock of another process on the SQLite file. */
export const LOCK_TIMEOUT_MS = 2000;
/** How often it asks meanwhile. */
export const LOCK_RETRY_MS = 10;

/**
 * Runs something again by a timer while another process holds the lock on the SQLite file, which the event loop
 * does not wait for.
 * @throws {Error} SQLite's, where it is locked for longer than LOCK_TIMEOUT_MS
 */
export async function untilUnlocked<Result>(run: () => Promise<Result>): Promise<Result> {
  for (const end = performance.now() + LOCK_TIMEOUT_MS; ; await setTimeout(LOCK_RETRY_MS)) {
    try {
      return await run();
    } catch (error) {
      if (!isLocked(error) || performance.now() >= end) throw error;
    }
  }
}
