import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { progress } from '@clack/prompts';
import Sqlite from 'better-sqlite3';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { type Config, loadConfig } from '../src/config.ts';
import { databasePath, isSqlite, openDatabase } from '../src/database/index.ts';

const BATCH = 10_000;

export interface Amounts {
  users: number;
  todos: number;
}

interface Row {
  owner: number;
  title: string;
  body: string;
}

/** The first user owns every second todo of the first 10,000, the others share the rest: one big owner among many. */
export function* makeTodos(firstOwner: number, { users, todos }: Amounts): Generator<Row> {
  for (let i = 0; i < todos; i++) {
    const isBig = i < 10_000 && i % 2 === 0;
    yield {
      owner: isBig || users === 1 ? firstOwner : firstOwner + 1 + (i % (users - 1)),
      title: `Todo ${i}`,
      body: `The ${i}th thing to do, of ${todos}.`,
    };
  }
}

/** Fills the configured database with users who cannot log in and their todos; gives the first user's id. */
export async function seed(config: Config, amounts: Amounts, onRows: (rows: number) => void): Promise<number> {
  const { prisma, close } = await openDatabase(config, { migrate: true });
  const { id: first } = await prisma.user.create({ data: { username: `seed-${Date.now()}-0`, password: '!' } });
  for (let i = 1; i < amounts.users; i += BATCH) {
    const length = Math.min(BATCH, amounts.users - i);
    const data = Array.from({ length }, (_, j) => ({ username: `seed-${Date.now()}-${i + j}`, password: '!' }));
    await prisma.user.createMany({ data });
  }
  await close();
  const rows = makeTodos(first, amounts);
  if (isSqlite(config.DATABASE_URL)) insertIntoSqlite(config, rows, onRows);
  else await copyIntoPostgresql(config, rows, onRows);
  return first;
}

function insertIntoSqlite(config: Config, rows: Iterable<Row>, onRows: (rows: number) => void) {
  const connection = new Sqlite(databasePath(config.DATABASE_URL));
  connection.pragma('synchronous = OFF');
  const insert = connection.prepare(
    `INSERT INTO todos (owner_id, title, body, date_created) VALUES (?, ?, ?, '2026-01-01')`,
  );
  const insertBatch = connection.transaction((batch: Row[]) => {
    for (const { owner, title, body } of batch) insert.run(owner, title, body);
  });
  for (const batch of inBatches(rows)) {
    insertBatch(batch);
    onRows(batch.length);
  }
  connection.exec('ANALYZE');
  connection.close();
}

async function copyIntoPostgresql(config: Config, rows: Iterable<Row>, onRows: (rows: number) => void) {
  const client = new Client(config.DATABASE_URL);
  await client.connect();
  const source = Readable.from(
    (function* () {
      for (const batch of inBatches(rows)) {
        yield batch.map(({ owner, title, body }) => `${owner}\t${title}\t${body}\t2026-01-01\n`).join('');
        onRows(batch.length);
      }
    })(),
  );
  await pipeline(source, client.query(copyFrom('COPY todos (owner_id, title, body, date_created) FROM STDIN')));
  await client.query('VACUUM ANALYZE');
  await client.end();
}

function* inBatches(rows: Iterable<Row>): Generator<Row[]> {
  let batch: Row[] = [];
  for (const row of rows) {
    if (batch.push(row) < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { users: { type: 'string', default: '1000' }, todos: { type: 'string', default: '100000' } },
  });
  const amounts = { users: Number(values.users), todos: Number(values.todos) };
  if (!(amounts.users >= 1 && amounts.todos >= 0)) throw new RangeError('--users and --todos are numbers.');
  const bar = progress({ max: amounts.todos });
  bar.start(`${amounts.todos} todos of ${amounts.users} users`);
  await seed(loadConfig(), amounts, (rows) => bar.advance(rows));
  bar.stop('Done.');
}
