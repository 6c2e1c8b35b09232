import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { packagePath, version } from '../src/package.ts';

const require = createRequire(import.meta.url);

/** The middle of the values, or of two the upper. */
export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

/** The median with the least and the greatest beside it. */
export function spread(values: number[], digits = 2): string {
  const [mid, least, most] = [median(values), Math.min(...values), Math.max(...values)];
  return `${mid.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

/** A table in Markdown, its first column to the left. */
export function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|---|${'--:|'.repeat(head.length - 1)}`, ...rows.map(line)].join('\n');
}

/** What was measured where and with what, as a clause; `versions` are of what is no package. */
export function machine(packages: string[], versions: string[] = []): string {
  const parts = [`Node ${process.versions.node}`, ...versions, ...packages.map((name) => `${name} ${versionOf(name)}`)];
  return [
    `todo-api ${version}, ${new Date().toISOString().slice(0, 10)}; ${cpus()[0]?.model}, ${availableParallelism()} cores;`,
    `${process.platform} ${process.arch}, ${parts.join(', ')}.`,
  ].join('\n');
}

/** Puts the text between the markers of this name in a document. */
export function writeResults(name: string, text: string, document = 'benchmarks/README.md'): void {
  const path = packagePath(document);
  const readme = readFileSync(path, 'utf8');
  const between = new RegExp(`(?<=<!-- ${name} -->\n).*(?=<!-- /${name} -->)`, 's');
  if (!between.test(readme)) throw new Error(`${document} has no markers for ${name}`);
  writeFileSync(
    path,
    readme.replace(between, () => `\n${text}\n\n`),
  );
}

/** The version in use; of better-sqlite3 it depends on Node which is loaded. */
function versionOf(name: string): string {
  if (name !== 'better-sqlite3') return require(packagePath(`node_modules/${name}/package.json`)).version;
  require(name);
  const [, loaded] = /(better-sqlite3-\d+)[\\/]lib[\\/]index\.js$/m.exec(Object.keys(require.cache).join('\n')) ?? [];
  return require(`${loaded}/package.json`).version;
}
