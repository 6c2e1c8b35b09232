import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Sqlite from 'better-sqlite3';
import { type Config, loadConfig } from '../src/config.ts';
import { databasePath, openDatabase, type Prisma } from '../src/database/index.ts';
import * as postgresql from '../src/database/postgresql.ts';
import * as sqlite from '../src/database/sqlite.ts';
import { packagePath } from '../src/package.ts';
import { administrate, inDatabase } from '../test/helper.ts';
import { explainOnPostgresql, explainOnSqlite, requestStatements } from '../test/plans.ts';
import { startPostgresql } from '../test/postgresql.ts';
import { median } from './report.ts';
import { seed } from './seed.ts';

/**
 * Proves that the time of a request does not grow with the data: for growing databases, what each
 * statement costs, and that it is answered by index alone. `--write` puts the tables into docs/scaling.md.
 */
const { values: options } = parseArgs({
  options: {
    postgresql: { type: 'string', default: '10000,1000000,10000000' },
    sqlite: { type: 'string', default: '10000,100000,1000000' },
    write: { type: 'boolean', default: false },
  },
});

const LIMIT = 5;
const ROUNDS = 3000;
const TARGET = 1.3;

interface Measured {
  size: number;
  /** median microseconds of each operation */
  times: Record<string, number>;
  /** statements that do not keep to an index */
  scans: string[];
}

interface Subject {
  size: number;
  scans: string[];
  operations: Record<string, (i: number) => Promise<unknown>>;
  /** Has the next read ask anew. */
  forget(): Promise<unknown>;
  close(): Promise<void>;
}

const settings = { SECRET_KEY: 'only for a measurement, and of 32 bytes' };

/** Fills a database and gives what is to be measured on it. */
async function prepare(
  config: Config,
  todos: number,
  explain: (config: Config, prisma: Prisma) => Promise<string[]>,
): Promise<Subject> {
  const owner = await seed(config, { users: Math.max(100, todos / 100), todos }, () => {});
  const { prisma, close } = await openDatabase(config);
  const viewer = { id: owner, isSuperuser: false };
  const own = await prisma.todo.findMany({ where: { ownerId: owner }, select: { id: true }, orderBy: { id: 'asc' } });
  const thousandth = own[999 * LIMIT - 1]?.id as number;
  const pick = (i: number) => own[(i * 7919) % own.length]?.id as number;
  const fields = {
    title: 'Measured',
    body: 'a todo of ordinary length',
    is_completed: false,
    date_created: '2026-01-01',
  };
  return {
    size: todos,
    scans: await explain(config, prisma),
    operations: {
      'list, first page': () => prisma.todo.page(viewer, { order: 'id', isDescending: false, limit: LIMIT }),
      'list, thousandth page': () =>
        prisma.todo.page(viewer, { order: 'id', isDescending: false, limit: LIMIT, after: [thousandth] }),
      'list by title, from a place on': (i) =>
        prisma.todo.page(viewer, { order: 'title', isDescending: false, limit: LIMIT, after: [`Todo ${i}`, 0] }),
      get: (i) => prisma.todo.read(viewer, pick(i)),
      create: () => prisma.todo.add(owner, fields),
    },
    // SQLite's reads are repeated from memory until something is committed; this deletes nothing.
    forget: () => prisma.todo.remove(viewer, 0),
    close,
  };
}

/** Measures all sizes in turn, call by call, so that whatever else the machine does hits each alike. */
async function measure(subjects: Subject[]): Promise<Measured[]> {
  const results = subjects.map(({ size, scans }): Measured => ({ size, scans, times: {} }));
  for (const name of Object.keys(subjects[0]?.operations ?? {})) {
    const samples = subjects.map((): number[] => []);
    for (let i = 0; i < ROUNDS * 2; i++) {
      for (const [index, { operations, forget }] of subjects.entries()) {
        await forget();
        const start = process.hrtime.bigint();
        await operations[name]?.(i);
        // The first half is for the caches.
        if (i >= ROUNDS) samples[index]?.push(Number(process.hrtime.bigint() - start) / 1000);
      }
    }
    for (const [index, result] of results.entries()) result.times[name] = median(samples[index] as number[]);
  }
  for (const { close } of subjects) await close();
  return results;
}

async function explainSqlite({ DATABASE_URL }: Config): Promise<string[]> {
  const connection = new Sqlite(databasePath(DATABASE_URL), { readonly: true });
  const scans = requestStatements(sqlite).filter(([, sql]) =>
    explainOnSqlite(connection, sql).some((line) => /^SCAN (?!CONSTANT|\(subquery)|TEMP B-TREE/.test(line)),
  );
  connection.close();
  return scans.map(([name]) => name);
}

async function explainPostgresql(_config: Config, prisma: Prisma): Promise<string[]> {
  const scans: string[] = [];
  for (const [name, sql] of requestStatements(postgresql)) {
    const lines = await explainOnPostgresql(prisma, sql);
    // The tables of tokens and sessions are small here, and read whole; their indexes are shown by the test suite.
    // What a filtered list may sort lies between two places, with 5000 todos between them at most.
    const isBad = name.endsWith('filtered') ? /Seq Scan on todos/ : /Seq Scan on todos|\bSort\b/;
    if (lines.some((line) => isBad.test(line))) scans.push(name);
  }
  return scans;
}

function report(title: string, results: Measured[]): string {
  const [first] = results as [Measured];
  const last = results.at(-1) as Measured;
  const rows = Object.keys(first.times).map((name) => {
    const times = results.map(({ times }) => `${(times[name] as number).toFixed(0)} µs`);
    return `| ${name} | ${times.join(' | ')} | ${((last.times[name] as number) / (first.times[name] as number)).toFixed(2)} |`;
  });
  const sizes = results.map(({ size }) => `${size.toLocaleString('en')} todos`);
  const scans = results.flatMap(({ scans }) => scans);
  return [
    `| ${title} | ${sizes.join(' | ')} | ratio |`,
    `|---|${sizes.map(() => '---:|').join('')}---:|`,
    ...rows,
    '',
    scans.length === 0 ? 'Every statement is answered by index alone.' : `Not by index: ${scans.join('; ')}`,
  ].join('\n');
}

const sizesOf = (list: string) => list.split(',').map(Number);

async function measurePostgresql(): Promise<Measured[]> {
  const server = await startPostgresql(['-c', 'shared_buffers=1GB']);
  try {
    const subjects: Subject[] = [];
    for (const size of sizesOf(options.postgresql)) {
      await administrate(server.url, `CREATE DATABASE scale_${size}`);
      const config = loadConfig({ ...settings, DATABASE_URL: inDatabase(server.url, `scale_${size}`) }, tmpdir());
      subjects.push(await prepare(config, size, explainPostgresql));
    }
    return await measure(subjects);
  } finally {
    await server.remove();
  }
}

async function measureSqlite(): Promise<Measured[]> {
  const directory = mkdtempSync(join(tmpdir(), 'todo-api-scale-'));
  try {
    const subjects: Subject[] = [];
    for (const size of sizesOf(options.sqlite)) {
      const config = loadConfig({ ...settings, DATABASE_URL: `file:${directory}/${size}.db` }, tmpdir());
      subjects.push(await prepare(config, size, explainSqlite));
    }
    return await measure(subjects);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const all = [await measurePostgresql(), await measureSqlite()];
const parts = [report('PostgreSQL', all[0] as Measured[]), report('SQLite', all[1] as Measured[])];
console.log(parts.join('\n\n'));

if (options.write) {
  const path = packagePath('docs/scaling.md');
  const machine = `Measured by \`npm run proof:scale -- --write\` on ${cpus()[0]?.model}, Node ${process.version}; medians of ${ROUNDS} calls, pages of ${LIMIT}.`;
  const block = `<!-- scale -->\n${[machine, ...parts].join('\n\n')}\n<!-- /scale -->`;
  writeFileSync(path, readFileSync(path, 'utf8').replace(/<!-- scale -->.*<!-- \/scale -->/s, block));
}
const isProven = all.flat().every(({ scans }) => scans.length === 0) && all.every(staysUnder);
console.log(isProven ? `Proven: every ratio is under ${TARGET}.` : 'Not proven.');
// Said outright: what ends the server with the process would make it 0 otherwise.
process.exit(isProven ? 0 : 1);

function staysUnder(results: Measured[]): boolean {
  const [first] = results as [Measured];
  const last = results.at(-1) as Measured;
  return Object.keys(first.times).every(
    (name) => (last.times[name] as number) / (first.times[name] as number) < TARGET,
  );
}
