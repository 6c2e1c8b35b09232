import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Sqlite from 'better-sqlite3';
import type { Order } from '../../src/database/index.ts';
import { ORDERS } from '../../src/database/pages.ts';
import * as postgresql from '../../src/database/postgresql.ts';
import * as sqlite from '../../src/database/sqlite.ts';
import { isOnPostgresql } from '../helper.ts';
import { explainOnPostgresql, explainOnSqlite, requestStatements } from '../plans.ts';
import { open } from './helper.ts';

async function openExplainer(t: TestContext): Promise<(sql: string) => string[] | Promise<string[]>> {
  if (isOnPostgresql) {
    const { prisma } = await open(t);
    // Small tables are read whole otherwise.
    return (sql) => explainOnPostgresql(prisma, sql, ['seqscan', 'bitmapscan']);
  }
  const connection = new Sqlite(':memory:');
  sqlite.migrateSqlite(connection);
  return (sql) => explainOnSqlite(connection, sql);
}

test('every statement of a request is answered by an index, and no list is sorted', async (t) => {
  const explain = await openExplainer(t);
  for (const [name, sql] of requestStatements(isOnPostgresql ? postgresql : sqlite)) {
    await t.test(name, async () => {
      const lines = await explain(sql);
      assert.ok(lines.length > 0 || ['add', 'keepAnswer'].includes(name));
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
