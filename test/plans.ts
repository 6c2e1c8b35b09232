import type Sqlite from 'better-sqlite3';
import type { Order, Prisma } from '../src/database/index.ts';
import { planScan } from '../src/database/pages.ts';
import type * as postgresql from '../src/database/postgresql.ts';
import type * as sqlite from '../src/database/sqlite.ts';
import { makeWordFinder } from '../src/database/words.ts';

/** The statements of every request, each in all its forms, with a name for each. */
export function requestStatements(provider: typeof sqlite | typeof postgresql): [name: string, sql: string][] {
  const { SQL, changeSql, removeSql, scanSql, scanEndSql } = provider;
  const statements: [name: string, sql: string][] = Object.entries(SQL);
  for (const [whose, isOwn] of [['any', false] as const, ['own', true] as const]) {
    for (const [when, isExpected] of [['', false] as const, [', as expected', true] as const]) {
      statements.push([`change ${whose}${when}`, changeSql(['title', 'is_completed'], isOwn, isExpected)]);
      statements.push([`remove ${whose}${when}`, removeSql(isOwn, isExpected)]);
    }
    for (const order of ['id', 'last_modified', 'title'] satisfies Order[]) {
      for (const isDescending of [false, true]) {
        const scan = planScan({ order, isDescending, limit: 1 });
        const name = `${whose} by ${order}${isDescending ? ', descending' : ''}`;
        statements.push([`list ${name}`, scanSql(scan, isOwn, false)]);
        statements.push([`list ${name}, filtered`, scanSql(scan, isOwn, true)]);
        statements.push([`end of ${name}`, scanEndSql(scan, isOwn, false)]);
        statements.push([`end of ${name}, searched`, scanEndSql(scan, isOwn, true)]);
      }
    }
  }
  return statements;
}

/** The lines of a statement's plan on SQLite. */
export function explainOnSqlite(connection: Sqlite.Database, sql: string): string[] {
  connection.function('has_words', { deterministic: true }, makeWordFinder());
  const plan = connection.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`);
  return plan.all(...(sql.match(/\?/g) ?? [])).map(({ detail }) => detail);
}

/** The lines of a statement's plan on PostgreSQL, whatever its values are; `off` is what the planner may not choose. */
export function explainOnPostgresql(prisma: Prisma, sql: string, off: string[] = []): Promise<string[]> {
  // In one transaction, as settings are those of a connection.
  return prisma.$transaction(async (tx) => {
    for (const node of off) await tx.$executeRawUnsafe(`SET LOCAL enable_${node} = off`);
    await tx.$executeRawUnsafe('SET LOCAL plan_cache_mode = force_generic_plan');
    await tx.$executeRawUnsafe(`PREPARE statement AS ${sql}`);
    const values = Array.from(new Set(sql.match(/\$\d+/g)), () => 'NULL');
    const plan = await tx.$queryRawUnsafe<{ 'QUERY PLAN': string }[]>(`EXPLAIN EXECUTE statement (${values})`);
    await tx.$executeRawUnsafe('DEALLOCATE statement');
    return plan.map((line) => line['QUERY PLAN']);
  });
}
