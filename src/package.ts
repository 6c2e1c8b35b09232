import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : findRoot(dirname(directory));
}

const root = findRoot(dirname(fileURLToPath(import.meta.url)));

/** The absolute path of a file of this package, wherever its code was built to. */
export function packagePath(path: string): string {
  return join(root, path);
}

/** This package's version. */
export const version: string = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')).version;
