import type Sqlite from 'better-sqlite3';

// What a page of ordinary todos takes some thousand times.
const MAX_CHARACTERS = 16_000_000;

export interface TrustedReads {
  /** Reads, or repeats what was read before under the key. `size` is what the value takes, in characters. */
  read<Value>(key: string, find: () => Value, size?: (value: Value) => number): Value;
  /** To be called with each commit of this process. */
  forget(): void;
}

/**
 * Repeats what was read before as long as SQLite itself says that nothing was committed since: `PRAGMA
 * data_version` changes with each commit of another process. It is asked once in each callback of the
 * event loop: the requests that this one serves had arrived before, and so no answer is ever stale.
 */
export function trustReads(connection: Sqlite.Database): TrustedReads {
  const dataVersion = connection.prepare<[], number>('PRAGMA data_version').pluck();
  const known = new Map<string, unknown>();
  let version = dataVersion.get();
  let characters = 0;
  let isChecked = false;

  function check(): void {
    if (isChecked) return;
    isChecked = true;
    // A tick that is asked for among the microtasks comes when all of them are done.
    queueMicrotask(() => process.nextTick(uncheck));
    const present = dataVersion.get();
    if (present !== version) forget();
    version = present;
  }

  function uncheck(): void {
    isChecked = false;
  }

  function forget(): void {
    known.clear();
    characters = 0;
  }

  function read<Value>(key: string, find: () => Value, size: (value: Value) => number = () => 100): Value {
    check();
    if (known.has(key)) return known.get(key) as Value;
    const value = find();
    characters += key.length + size(value);
    if (characters > MAX_CHARACTERS) forget();
    known.set(key, value);
    return value;
  }

  return { read, forget };
}
