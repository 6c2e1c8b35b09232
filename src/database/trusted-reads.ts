import type Sqlite from 'better-sqlite3';
import { isLocked } from './errors.ts';
import { untilUnlocked } from './locks.ts';

// What has been begun is finished before more is, lest it all lie in memory at once.
const MAX_WAITING = 32;
// What a page of ordinary todos takes some thousand times.
const MAX_CHARACTERS = 16_000_000;

export interface TrustedReads {
  /** Reads, or repeats what was read before under the key. `size` is what the value takes, in characters. */
  read<Value>(key: string, find: () => Value, size?: (value: Value) => number): Promise<Value>;
  /** To be called with each commit of this process. */
  forget(): void;
}

/**
 * Repeats what was read before as long as SQLite itself says that nothing was committed since: `PRAGMA
 * data_version` changes with each commit of another process. It is asked once for all requests of a
 * turn of the event loop, after the last of them has arrived, or for so many of them, and so no answer is
 * ever stale.
 */
export function trustReads(connection: Sqlite.Database): TrustedReads {
  const dataVersion = connection.prepare<[], number>('PRAGMA data_version').pluck();
  const known = new Map<string, unknown>();
  let version = dataVersion.get();
  let characters = 0;
  let waiting: ((outcome?: Promise<never>) => void)[] = [];
  let isChecked = false;

  /** What it finds holds until the present microtasks end: no request that came later can see it. */
  function check(): void {
    if (waiting.length === 0) return;
    const answered = waiting;
    waiting = [];
    let failure: Promise<never> | undefined;
    try {
      const present = dataVersion.get();
      if (present !== version) forget();
      version = present;
      isChecked = true;
      process.nextTick(() => {
        isChecked = false;
      });
    } catch (error) {
      failure = Promise.reject(error);
    }
    for (const resolve of answered) resolve(failure);
  }

  function arrive(): Promise<void> {
    return new Promise((resolve) => {
      const length = waiting.push(resolve);
      // As a microtask, after which the others have their turn before `nextTick` has.
      if (length === 1) setImmediate(queueMicrotask, check);
      else if (length === MAX_WAITING) queueMicrotask(check);
    });
  }

  function forget(): void {
    known.clear();
    characters = 0;
  }

  async function read<Value>(
    key: string,
    find: () => Value,
    size: (value: Value) => number = () => 100,
  ): Promise<Value> {
    try {
      return await readNow(key, find, size);
    } catch (error) {
      if (!isLocked(error)) throw error;
      return untilUnlocked(() => readNow(key, find, size));
    }
  }

  async function readNow<Value>(key: string, find: () => Value, size: (value: Value) => number): Promise<Value> {
    if (!isChecked) await arrive();
    if (known.has(key)) return known.get(key) as Value;
    const value = find();
    characters += key.length + size(value);
    if (characters > MAX_CHARACTERS) forget();
    known.set(key, value);
    return value;
  }

  return { read, forget };
}
