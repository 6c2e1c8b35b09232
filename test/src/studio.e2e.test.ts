import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { openDatabase } from '../../src/database/index.ts';
import { openPage } from '../browser.ts';
import { addUser, configure, isOnPostgresql, makeDatabase, SECRET_KEY, temporaryDirectory } from '../helper.ts';
import { freePort } from '../ports.ts';
import { CLI, call } from './helper.ts';

const ends: (() => unknown)[] = [];
after(async () => {
  for (const end of ends) await end();
});
let shared: ReturnType<typeof openStudio> | undefined;
/** One Studio for all tests that do not end it. */
const shareStudio = () => {
  shared ??= openStudio({ after: (end: () => unknown) => void ends.push(end) });
  return shared;
};

test('Studio reads and writes the database of the service, within its constraints', async () => {
  const { prisma, query } = await shareStudio();
  assert.deepEqual((await query('SELECT username FROM users')).rows, [{ username: 'paul' }]);

  const changed = await query("UPDATE todos SET title = 'Changed in Studio' RETURNING title");
  assert.deepEqual(changed, { error: null, rows: [{ title: 'Changed in Studio' }] });
  assert.equal((await prisma.todo.findFirstOrThrow()).title, 'Changed in Studio');

  for (const statement of [
    "UPDATE todos SET title = '' RETURNING id",
    `UPDATE todos SET title = '${'x'.repeat(101)}' RETURNING id`,
    "UPDATE todos SET date_created = '2026-02-30' RETURNING id",
    'UPDATE todos SET owner_id = 1000 RETURNING id',
    "INSERT INTO users (username, password) VALUES ('paul', '') RETURNING id",
  ]) {
    const { error } = await query(statement);
    // PostgreSQL has its own word for a day that does not exist.
    assert.match(JSON.stringify(error), /constraint|make_date/i, statement);
  }
  assert.equal((await prisma.todo.findFirstOrThrow()).title, 'Changed in Studio');
});

test("Studio's page shows the tables and their rows, with no other host", async (t) => {
  const visit = await openPage(t);
  if (!visit) return;
  const { page, requested } = visit;
  const { origin, prisma } = await shareStudio();
  await prisma.todo.updateMany({ data: { title: 'Seen in Studio' } });
  await page.route(
    (url) => url.origin !== origin,
    (route) => route.abort(),
  );

  await page.goto(origin);
  await page.getByText('todos', { exact: true }).first().click();
  await page.getByText('Seen in Studio').waitFor();
  await page.getByText('users', { exact: true }).first().click();
  await page.getByText('paul', { exact: true }).waitFor();

  // Studio's page tells its makers that it was opened, and here it can't: it works nevertheless.
  const elsewhere = requested.filter((url) => url.origin !== origin && url.protocol !== 'data:');
  for (const { origin } of elsewhere) assert.equal(origin, 'https://checkpoint.prisma.io');
});

for (const [signal, code] of [
  ['SIGTERM', 0],
  ['SIGINT', 130],
] as const) {
  test(`${signal} ends the command and Studio with it`, async (t) => {
    const { command, closed, origin } = await openStudio(t);
    command.kill(signal);
    assert.deepEqual(await closed, [code, null]);
    await assert.rejects(fetch(origin));
  });
}

test('a port that is none is refused', async (t) => {
  for (const port of ['0', '65536', 'x']) {
    const { code } = await call(['studio', '--port', port], { directory: temporaryDirectory(t) });
    assert.equal(code, 1);
  }
});

/** Studio, as the console opens it, on a database with a user and a todo. */
async function openStudio(t: { after(end: () => unknown): void }) {
  const directory = temporaryDirectory(t);
  // A name that would look otherwise in a URL.
  const settings = isOnPostgresql
    ? await makeDatabase(t)
    : { DATABASE_URL: `file:${join(directory, 'a database #1.db')}` };
  const { prisma, close } = await openDatabase(configure(settings));
  t.after(close);
  const { id } = await addUser({ app: { prisma } }, 'paul', { isSuperuser: true });
  await prisma.todo.create({ data: { ownerId: id, title: 'Buy milk', dateCreated: '2026-11-23' } });

  const port = await freePort();
  const command = spawn(process.execPath, [CLI, 'studio', '--port', String(port), '--browser', 'none'], {
    cwd: directory,
    env: { ...process.env, SECRET_KEY, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // It is closed when nobody holds its output any longer, Studio's own process included.
  const closed = once(command, 'close');
  t.after(() => {
    command.kill();
    return closed;
  });
  const origin = `http://localhost:${port}`;
  assert.ok(await prints(command.stdout, origin), 'Studio starts');

  /** Asks as Studio's page does. */
  async function query(sql: string) {
    const body = JSON.stringify({ procedure: 'query', query: { sql, parameters: [] } });
    const answer = await fetch(`${origin}/bff`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const [error, rows] = (await answer.json()) as [unknown, unknown[]];
    return { error, rows };
  }
  return { command, closed, origin, prisma, query };
}

/** Whether a stream has a line with a text in it. */
async function prints(stream: Readable, text: string): Promise<boolean> {
  for await (const line of createInterface(stream)) {
    if (!line.includes(text)) continue;
    stream.resume();
    return true;
  }
  return false;
}
