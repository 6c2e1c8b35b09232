import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** Makes the directory of a file, for its owner alone, where there is none; its parent must be there. */
export function makeDirectoryOf(path: string): void {
  try {
    mkdirSync(dirname(path), { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** A new name beside a file, for what is to take its name when it is whole. */
export function draftOf(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
}

/**
 * Gives a draft the name for which it was made, where that is free.
 * @throws with the code EEXIST, where it is not
 */
export function nameDraft(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!hasNoLinks(error)) throw error;
    closeSync(openSync(path, 'wx'));
    renameSync(draft, path);
  }
}

/** Gives a file that stays a further name, or where there is no such thing a copy. */
export function keepAs(path: string, name: string): void {
  try {
    linkSync(path, name);
  } catch (error) {
    if (!hasNoLinks(error)) throw error;
    copyFileSync(path, name, constants.COPYFILE_EXCL);
    syncToDisk(name);
  }
}

/** FAT, and some file systems of networks, have no links. */
function hasNoLinks(error: unknown): boolean {
  return ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** Waits until a file, or the names in a directory, are on the disk. */
export function syncToDisk(path: string): void {
  // Windows knows no such thing of directories.
  if (process.platform === 'win32' && statSync(path).isDirectory()) return;
  const descriptor = openSync(path, process.platform === 'win32' ? 'r+' : 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
