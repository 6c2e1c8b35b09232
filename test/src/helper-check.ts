import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { Finding } from '../../src/checks/finding.ts';
import { openDatabase } from '../../src/database/index.ts';
import { administrate, configure, isOnPostgresql, makeDatabase } from '../helper.ts';
import { call, insertUser, type Outcome } from './helper.ts';

export const DATABASE_PASSWORD = 'lantern-of-the-database';
// Made at random once: how long its check takes depends on the key, and this is one of the quick ones.
export const STRONG = 'IDgZYSG-RZVmCJ7ZEmv-GewCDbNdRbjx7HyQJByLY3IJyUO9tK4pTUFsA7kf3Eih';

export type Expected = [level: Finding['level'], setting: string, message: RegExp];
export type Settings = Record<string, string>;

/** Settings that nothing is wrong with, on a new database with a superuser. */
export async function makeClean(t: Pick<TestContext, 'after'>): Promise<Settings> {
  const settings = await makeDatabase(t);
  const { prisma, close } = await openDatabase(configure(settings));
  await insertUser({ prisma }, 'root', { isSuperuser: true });
  await close();
  const { DATABASE_URL = '' } = settings;
  if (isOnPostgresql) settings.DATABASE_URL = await asOrdinaryRole(t, DATABASE_URL);
  return { ...settings, SECRET_KEY: STRONG };
}

/** The address of a database for a role that may only read it. */
export async function asOrdinaryRole(t: Pick<TestContext, 'after'>, url: string): Promise<string> {
  const role = `role_${randomUUID().replaceAll('-', '')}`;
  await administrate(url, `CREATE ROLE ${role} LOGIN PASSWORD '${DATABASE_PASSWORD}'`);
  await administrate(url, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  t.after(() => administrate(process.env.TEST_DATABASE_URL as string, `DROP ROLE ${role}`));
  return Object.assign(new URL(url), { username: role, password: DATABASE_PASSWORD }).href;
}

/** Runs the check, and holds what it prints against what it should. */
export async function expect(directory: string, settings: Settings, expected: Expected[]): Promise<Outcome> {
  const outcome = await call(['check'], { directory, settings });
  const { code, stdout } = outcome;
  if (expected.length === 0) {
    assert.deepEqual([code, stdout], [0, 'No problems found.\n']);
    return outcome;
  }
  const lines = stdout.trimEnd().split('\n');
  const found = lines.map(
    (line) => /^(error|warning) +([^:]+): (\S.*\.) Remedy: \S.*$/.exec(line) ?? assert.fail(line),
  );
  assert.deepEqual(
    found.map(([, level, setting]) => [level, setting]),
    expected.map(([level, setting]) => [level, setting]),
    stdout,
  );
  for (const [index, [, , , message]] of found.entries()) assert.match(String(message), expected[index]?.[2] as RegExp);
  assert.equal(code, expected.some(([level]) => level === 'error') ? 1 : 0);
  return outcome;
}

export function write(path: string, text: string, mode: number): void {
  writeFileSync(path, text);
  chmodSync(path, mode);
}

export const DAY = 86400;
export const elsewhere = (query = '') => `postgresql://todo:${DATABASE_PASSWORD}@db.example.invalid/todo${query}`;
