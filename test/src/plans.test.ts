import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as postgresql from '../../src/database/postgresql.ts';
import * as sqlite from '../../src/database/sqlite.ts';
import { isOnPostgresql } from '../helper.ts';
import { open } from './helper.ts';

const { SQL, changeSql } = isOnPostgresql ? postgresql : sqlite;
const columns = ['title', 'is_completed'];
const statements = { ...SQL, changeAny: changeSql(columns, false), changeOwn: changeSql(columns, true) };

test('every statement of a request is answered by an index', async (t) => {
  const { prisma } = await open(t);
  for (const [name, sql] of Object.entries(statements)) {
    await t.test(name, async () => {
      // In one transaction, as the setting is one of the connection; small tables are read whole otherwise.
      const plan = await prisma.$transaction(async (tx) => {
        if (!isOnPostgresql) return tx.$queryRawUnsafe(`EXPLAIN QUERY PLAN ${sql.replaceAll('?', '1')}`);
        await tx.$executeRawUnsafe('SET LOCAL enable_seqscan = off');
        return tx.$queryRawUnsafe(`EXPLAIN ${sql.replace(/\$\d+::timestamptz/, 'now()').replace(/\$\d+/g, "'1'")}`);
      });
      const lines = (plan as Record<string, string>[]).map((line) => line.detail ?? line['QUERY PLAN'] ?? '');
      assert.ok(lines.length > 0 || name === 'add');
      for (const line of lines) assert.doesNotMatch(line, /Seq Scan|^SCAN (users|api_tokens|sessions|todos)/);
    });
  }
});
