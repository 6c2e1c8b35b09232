import type Sqlite from 'better-sqlite3';

// What a page of ordinary todos takes some thousand times.
const MAX_CHARACTERS = 16_000_000;

/**
 * Gives the function that repeats what was read before as long as SQLite itself says, in the same tick,
 * that nothing was committed since: `PRAGMA data_version` changes with each commit of any other
 * connection or process, and `forget` is to be called with each of this one. So no answer is ever stale.
 */
export function trustReads(connection: Sqlite.Database) {
  const dataVersion = connection.prepare<[], number>('PRAGMA data_version').pluck();
  const known = new Map<string, unknown>();
  let version = dataVersion.get();
  let characters = 0;

  function forget(): void {
    known.clear();
    characters = 0;
  }

  /** `size` is what the value takes, in characters. */
  function read<Value>(key: string, find: () => Value, size: (value: Value) => number = () => 100): Value {
    const present = dataVersion.get();
    if (present !== version) {
      version = present;
      forget();
    } else if (known.has(key)) {
      return known.get(key) as Value;
    }
    const value = find();
    characters += key.length + size(value);
    if (characters > MAX_CHARACTERS) forget();
    known.set(key, value);
    return value;
  }

  return { read, forget };
}
