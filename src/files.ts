import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes the directory of a file, for its owner alone, where there is none; its parent must be there. */
export function makeDirectoryOf(path: string): void {
  try {
    mkdirSync(dirname(path), { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
