import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Sqlite from 'better-sqlite3';
import type { Order } from '../../src/database/index.ts';
import { ORDERS, planScan } from '../../src/database/pages.ts';
import * as postgresql from '../../src/database/postgresql.ts';
import * as sqlite from '../../src/database/sqlite.ts';
import { makeWordFinder } from '../../src/database/words.ts';
import { isOnPostgresql } from '../helper.ts';
import { listQuery, open } from './helper.ts';

const { SQL, changeSql, removeSql, scanSql, scanEndSql } = isOnPostgresql ? postgresql : sqlite;
const statements: [name: string, sql: string][] = Object.entries(SQL);
for (const [whose, isOwn] of [['any', false] as const, ['own', true] as const]) {
  for (const [when, isExpected] of [['', false] as const, [', as expected', true] as const]) {
    statements.push([`change ${whose}${when}`, changeSql(['title', 'is_completed'], isOwn, isExpected)]);
    statements.push([`remove ${whose}${when}`, removeSql(isOwn, isExpected)]);
  }
  for (const order of ['id', 'last_modified', 'title'] satisfies Order[]) {
    for (const isDescending of [false, true]) {
      const scan = planScan(listQuery({ order, isDescending }));
      const name = `${whose} by ${order}${isDescending ? ', descending' : ''}`;
      statements.push([`list ${name}`, scanSql(scan, isOwn, false)]);
      statements.push([`list ${name}, filtered`, scanSql(scan, isOwn, true)]);
      statements.push([`end of ${name}`, scanEndSql(scan, isOwn)]);
    }
  }
}

type Explain = (sql: string) => Promise<string[]>;

async function explainOnSqlite(): Promise<Explain> {
  const connection = new Sqlite(':memory:');
  sqlite.migrateSqlite(connection);
  connection.function('has_words', makeWordFinder());
  return async (sql) => {
    const values = sql.match(/\?/g) ?? [];
    const plan = connection.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
    return plan.map(({ detail }) => detail);
  };
}

async function explainOnPostgresql(t: TestContext): Promise<Explain> {
  const { prisma } = await open(t);
  // In one transaction, as settings are those of a connection; small tables are read whole otherwise.
  return (sql) =>
    prisma.$transaction(async (tx) => {
      for (const node of ['seqscan', 'bitmapscan']) await tx.$executeRawUnsafe(`SET LOCAL enable_${node} = off`);
      await tx.$executeRawUnsafe('SET LOCAL plan_cache_mode = force_generic_plan');
      await tx.$executeRawUnsafe(`PREPARE statement AS ${sql}`);
      const values = Array.from(new Set(sql.match(/\$\d+/g)), () => 'NULL');
      const plan = await tx.$queryRawUnsafe<{ 'QUERY PLAN': string }[]>(`EXPLAIN EXECUTE statement (${values})`);
      await tx.$executeRawUnsafe('DEALLOCATE statement');
      return plan.map((line) => line['QUERY PLAN']);
    });
}

test('every statement of a request is answered by an index, and no list is sorted', async (t) => {
  const explain = isOnPostgresql ? await explainOnPostgresql(t) : await explainOnSqlite();
  for (const [name, sql] of statements) {
    await t.test(name, async () => {
      const lines = await explain(sql);
      assert.ok(lines.length > 0 || name === 'add');
      for (const line of lines) {
        assert.doesNotMatch(line, /Seq Scan|^SCAN (users|api_tokens|sessions|todos)|\bSort\b|TEMP B-TREE/);
      }
      const [, whose, order] = /^(?:list|end of) (own|any) by (\w+)/.exec(name) ?? [];
      if (order) assert.match(lines.join('\n'), betweenPlaces(order as Order, whose === 'own'));
    });
  }
});

/** An index in which both ends of a page are found by all that makes a place. */
function betweenPlaces(order: Order, isOwn: boolean): RegExp {
  if (isOnPostgresql) {
    const columns =
      order === 'id' ? ['id', '\\$\\d+'] : [`ROW\\(${ORDERS[order].join(', ')}\\)`, 'ROW\\(\\$\\d+, \\$\\d+\\)'];
    const ends = ['>', '<'].map((sign) => `\\(${columns.join(` ${sign} `)}\\)`);
    return new RegExp(`Index Cond: \\(${isOwn ? '\\(owner_id = \\$1\\) AND ' : ''}${ends.join(' AND ')}\\)`);
  }
  const id = isOwn ? 'id' : 'rowid';
  const ends =
    order === 'id'
      ? `${id}>\\? AND ${id}<\\?`
      : ['>', '<'].map((sign) => `\\(${ORDERS[order][0]},rowid\\)${sign}\\(\\?,\\?\\)`).join(' AND ');
  return new RegExp(`INDEX \\w+ \\(${isOwn ? 'owner_id=\\? AND ' : ''}${ends}\\)|KEY \\(${ends}\\)`);
}
