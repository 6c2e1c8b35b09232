import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  databasePath,
  isMissing,
  type ListQuery,
  openDatabase,
  type Prisma,
  type TodoRow,
  type Viewer,
} from '../../src/database/index.ts';
import { administrate, configure, isOnPostgresql, makeDatabase, signal, temporaryDirectory, until } from '../helper.ts';
import { connect, insertUser, listQuery, open, type Raw } from './helper.ts';

const FIELDS = { title: 'a title', body: 'a body', is_completed: false, date_created: '2026-11-23' };
// A deadlock would end a test here.
const GUARD = { timeout: 15_000 };

// Prisma's timers do not keep a process alive, as a server would be.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

const shared = await open({ after: after as TestContext['after'] });

/** A database with three users alone, which most tests share. */
async function setUp(database = shared) {
  await database.prisma.user.deleteMany();
  const [paul, john, root] = [
    await insertUser(database, 'paul'),
    await insertUser(database, 'john'),
    await insertUser(database, 'root', { isSuperuser: true }),
  ];
  return { ...database, paul, john, root };
}

/** A page, as its reader gets it. */
async function rowsOf(page: Promise<{ json: string }>): Promise<TodoRow[]> {
  return JSON.parse((await page).json);
}

/** A todo as Prisma itself reads it, in the form of the API. */
async function readByPrisma(prisma: Prisma, id: number): Promise<TodoRow | null> {
  const todo = await prisma.todo.findUnique({ where: { id } });
  return (
    todo && {
      id,
      title: todo.title,
      body: todo.body,
      is_completed: todo.isCompleted,
      date_created: todo.dateCreated,
      last_modified: todo.updatedAt.toISOString().slice(0, 10),
      owner: todo.ownerId,
    }
  );
}

suite('a SQLite file', { skip: isOnPostgresql && 'this run is on PostgreSQL' }, () => {
  test('is named by a path, from the working directory or absolute', () => {
    const paths = {
      'file:todo.db': resolve('todo.db'),
      'file:./data/todo.db': resolve('data/todo.db'),
      'file:/data/todo.db': '/data/todo.db',
      'file:///data/todo.db': '/data/todo.db',
    };
    for (const [url, path] of Object.entries(paths)) assert.equal(databasePath(url), path);
  });

  test('is made, and its directory for its owner alone', async (t) => {
    const path = join(temporaryDirectory(t), 'data/todo.db');
    const { close } = await openDatabase(configure({ DATABASE_URL: `file:${path}` }));
    await close();
    assert.ok(statSync(path).isFile());
    assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
    const elsewhere = configure({ DATABASE_URL: `file:${join(path, '../no/such/todo.db')}` });
    await assert.rejects(openDatabase(elsewhere), { code: 'ENOENT' });
  });

  test("waits for the disk on Prisma's connection too", async () => {
    const { prisma } = await setUp();
    assert.deepEqual(await prisma.$queryRaw`PRAGMA foreign_keys`, [{ foreign_keys: 1n }]);
    assert.deepEqual(await prisma.$queryRaw`PRAGMA journal_mode`, [{ journal_mode: 'wal' }]);
    assert.deepEqual(await prisma.$queryRaw`PRAGMA synchronous`, [{ synchronous: 2n }]);
  });
});

test('statements and Prisma alike are held to the constraints', async () => {
  const { prisma, paul } = await setUp();
  const nobody = paul.id + 100;
  const code = isOnPostgresql ? '23503' : 'SQLITE_CONSTRAINT_FOREIGNKEY';
  await assert.rejects(prisma.todo.add(nobody, FIELDS), { code });
  await assert.rejects(prisma.todo.create({ data: { ownerId: nobody, title: 'a', dateCreated: '2026-11-23' } }), {
    code: 'P2003',
  });
  assert.equal(await prisma.todo.count(), 0);
});

test('times are those that were written, whatever the time zone of the server is', {
  skip: !isOnPostgresql && 'SQLite has none',
}, async (t) => {
  const address = await makeDatabase(t);
  const name = new URL(address.DATABASE_URL as string).pathname.slice(1);
  await administrate(address.DATABASE_URL as string, `ALTER DATABASE ${name} SET timezone = 'Asia/Kathmandu'`);
  const { prisma, close } = await openDatabase(configure(address));
  t.after(close);
  const updatedAt = new Date('2026-11-23T20:30:00.123Z');
  const { id: ownerId } = await insertUser({ prisma }, 'paul');
  const { id } = await prisma.todo.create({ data: { ownerId, title: 'a', dateCreated: '2026-11-23', updatedAt } });
  const { select } = connect(t, address);
  const [stored] = await select(`SELECT updated_at, created_at FROM todos WHERE id = ${id}`);
  assert.deepEqual(stored.updated_at, updatedAt);
  assert.ok(Math.abs(Date.now() - stored.created_at) < 60_000);
  const added = await prisma.todo.add(ownerId, FIELDS);
  const { createdAt } = await prisma.todo.findUniqueOrThrow({ where: { id: added.id } });
  assert.ok(Math.abs(Date.now() - createdAt.getTime()) < 60_000);
});

suite('the statements give what Prisma itself gives', () => {
  test('for a row that a statement wrote', async () => {
    const { prisma, paul } = await setUp();
    const added = await prisma.todo.add(paul.id, { ...FIELDS, title: 'Grüße 😀 <b>', is_completed: true });
    assert.deepEqual(added, {
      ...FIELDS,
      title: 'Grüße 😀 <b>',
      is_completed: true,
      id: added.id,
      owner: paul.id,
      last_modified: added.last_modified,
    });
    assert.deepEqual(added, await readByPrisma(prisma, added.id));
    const stored = await prisma.todo.findUniqueOrThrow({ where: { id: added.id } });
    assert.deepEqual(stored.createdAt, stored.updatedAt);
    assert.ok(Math.abs(Date.now() - stored.createdAt.getTime()) < 3_600_000);
    assert.equal(stored.version, 1);
  });

  test('for rows that Prisma wrote', async () => {
    const { prisma, paul } = await setUp();
    const rows = [
      { title: 'a', dateCreated: '2020-02-29' },
      {
        title: 'b',
        body: 'c',
        isCompleted: true,
        dateCreated: '0001-01-01',
        updatedAt: new Date('1999-12-31T23:59:59.999Z'),
      },
      { title: 'd', dateCreated: '9999-12-31', updatedAt: new Date('2030-01-01T00:00:00.000Z') },
    ];
    const ids: number[] = [];
    for (const row of rows) ids.push((await prisma.todo.create({ data: { ...row, ownerId: paul.id } })).id);
    const expected = await Promise.all(ids.map((id) => readByPrisma(prisma, id)));
    assert.deepEqual(await rowsOf(prisma.todo.page(paul, listQuery({ limit: 10 }))), expected);
    assert.deepEqual(await Promise.all(ids.map((id) => prisma.todo.read(paul, id))), expected);
  });

  test('for a change, which writes only what is given', async () => {
    const { prisma, paul } = await setUp();
    const updatedAt = new Date('2020-01-01T00:00:00.000Z');
    const { id } = await prisma.todo.create({
      data: { title: 'a', dateCreated: '2020-01-01', ownerId: paul.id, updatedAt },
    });
    const changes = [{ title: 'b' }, { body: 'c' }, { is_completed: true }, { date_created: '2021-02-03' }, FIELDS];
    let expected = await readByPrisma(prisma, id);
    for (const [index, change] of changes.entries()) {
      const changed = await prisma.todo.change(paul, id, change);
      const today = (await readByPrisma(prisma, id))?.last_modified as string;
      expected = { ...(expected as TodoRow), ...change, last_modified: today };
      assert.notEqual(today, '2020-01-01');
      assert.deepEqual(changed, expected);
      assert.deepEqual(await readByPrisma(prisma, id), expected);
      assert.equal((await prisma.todo.findUnique({ where: { id } }))?.version, index + 2);
    }
  });

  test('for a change of nothing, which writes nothing', async () => {
    const { prisma, paul } = await setUp();
    const { id } = await prisma.todo.add(paul.id, FIELDS);
    const before = await prisma.todo.findUnique({ where: { id } });
    assert.deepEqual(await prisma.todo.change(paul, id, {}), await readByPrisma(prisma, id));
    assert.deepEqual(await prisma.todo.findUnique({ where: { id } }), before);
  });

  test('for the users of tokens and sessions', async () => {
    const { prisma, paul, root } = await setUp();
    for (const { id, isSuperuser } of [paul, root]) {
      const [digest, sid] = [String(id).padStart(64, '0'), `session-${id}`];
      const token = await prisma.apiToken.create({ data: { userId: id, name: 'a', digest } });
      await prisma.session.create({ data: { id: sid, userId: id, refreshJti: 'j', expiresAt: new Date() } });
      for (const isActive of [false, true]) {
        await prisma.user.update({ where: { id }, data: { isActive } });
        assert.deepEqual(await prisma.apiToken.findUser(digest), {
          ...{ id, isActive, isSuperuser },
          credential: { kind: 'token', id: token.id, scopes: null, lastUsedAt: null, expiresAt: null },
        });
        assert.deepEqual(await prisma.session.findUser(sid, id), {
          ...{ id, isActive, isSuperuser },
          credential: { kind: 'session', id: sid, scopes: null },
        });
      }
    }
    assert.equal(await prisma.apiToken.findUser('x'), undefined);
    assert.equal(await prisma.session.findUser(`session-${paul.id}`, root.id), undefined);
  });
});

test('a token is found with its scopes and times, until it expires', async () => {
  const { prisma, paul } = await setUp();
  const [lastUsedAt, expiresAt] = [new Date('2026-01-02T03:04:05.678Z'), new Date(Date.now() + 1000)];
  const data = { userId: paul.id, name: 'a', digest: 'a'.repeat(64), scopes: 'todo:read todo:write' };
  const { id } = await prisma.apiToken.create({ data: { ...data, lastUsedAt, expiresAt } });
  const find = () => prisma.apiToken.findUser(data.digest);
  const scopes = ['todo:read', 'todo:write'];
  assert.deepEqual((await find())?.credential, { kind: 'token', id, scopes, lastUsedAt, expiresAt });
  // Nothing is written meanwhile, and so what was read before is trusted.
  await until('it has expired', () => Date.now() > expiresAt.getTime());
  assert.equal(await find(), undefined);
});

test('the use of a token is noted, where it was not noted since', async () => {
  const { prisma, paul } = await setUp();
  const { id } = await prisma.apiToken.create({ data: { userId: paul.id, name: 'a', digest: 'a'.repeat(64) } });
  const lastUsed = async () => (await prisma.apiToken.findUniqueOrThrow({ where: { id } })).lastUsedAt?.getTime();
  const start = Date.now();
  await prisma.apiToken.noteUse(id, new Date(start));
  const first = (await lastUsed()) ?? 0;
  assert.ok(Math.abs(first - start) < 60_000);
  await prisma.apiToken.noteUse(id, new Date(first - 1));
  assert.equal(await lastUsed(), first);
  await until('the clock is past it', () => Date.now() > first, 1);
  await prisma.apiToken.noteUse(id, new Date(first));
  assert.ok(((await lastUsed()) ?? 0) > first);
});

test('a todo for a user who was deleted is refused as one who is missing', async () => {
  const { prisma, paul } = await setUp();
  await prisma.user.delete({ where: { id: paul.id } });
  await assert.rejects(prisma.todo.add(paul.id, FIELDS), isMissing);
  assert.equal(await prisma.todo.count(), 0);
});

test('a page goes on after an id, oldest id first, and is no longer than asked', async () => {
  const { prisma, paul, john, root } = await setUp();
  const ids: number[] = [];
  for (const owner of [paul, john, paul, paul]) ids.push((await prisma.todo.add(owner.id, FIELDS)).id);
  const [a, b, c, d] = ids as [number, number, number, number];
  const page = async (viewer: Viewer, query: Partial<ListQuery>) =>
    (await rowsOf(prisma.todo.page(viewer, listQuery(query)))).map(({ id }) => id);
  assert.deepEqual(await page(paul, { limit: 10 }), [a, c, d]);
  assert.deepEqual(await page(paul, { limit: 2 }), [a, c]);
  assert.deepEqual(await page(paul, { limit: 10, after: [c] }), [d]);
  assert.deepEqual(await page(root, { limit: 2, after: [a] }), [b, c]);
  assert.deepEqual(await page(root, { limit: 10, after: [d] }), []);
  assert.deepEqual(await page(root, { limit: 2, before: [d] }), [b, c]);
  const nextOf = async (limit: number) => (await prisma.todo.page(paul, listQuery({ limit }))).next;
  assert.deepEqual(
    [await nextOf(1), await nextOf(2), await nextOf(3), await nextOf(4)],
    [[a], [c], undefined, undefined],
  );
});

test('an id is never used again', async () => {
  const { prisma, paul } = await setUp();
  const { id } = await prisma.todo.add(paul.id, FIELDS);
  assert.equal(await prisma.todo.remove(paul, id), true);
  assert.ok((await prisma.todo.add(paul.id, FIELDS)).id > id);
});

suite('access is decided in the statement', () => {
  test("another's todo does not exist", async () => {
    const { prisma, paul, john } = await setUp();
    const todo = await prisma.todo.add(paul.id, FIELDS);
    assert.deepEqual(await rowsOf(prisma.todo.page(john, listQuery({ limit: 10 }))), []);
    assert.equal(await prisma.todo.read(john, todo.id), undefined);
    assert.equal(await prisma.todo.change(john, todo.id, { title: 'mine' }), undefined);
    assert.equal(await prisma.todo.change(john, todo.id, {}), undefined);
    assert.equal(await prisma.todo.remove(john, todo.id), false);
    assert.deepEqual(await prisma.todo.read(paul, todo.id), todo);
    assert.equal(await prisma.todo.remove(paul, todo.id), true);
    assert.equal(await prisma.todo.remove(paul, todo.id), false);
  });

  test("a superuser has everybody's, and leaves them their owners", async () => {
    const { prisma, paul, root } = await setUp();
    const todo = await prisma.todo.add(paul.id, FIELDS);
    assert.deepEqual(await rowsOf(prisma.todo.page(root, listQuery({ limit: 10 }))), [todo]);
    assert.deepEqual(await prisma.todo.read(root, todo.id), todo);
    assert.equal((await prisma.todo.change(root, todo.id, { is_completed: true }))?.owner, paul.id);
    assert.equal(await prisma.todo.remove(root, todo.id), true);
  });
});

suite('a transaction over several ticks', GUARD, () => {
  test('that is rolled back takes no other write along', GUARD, async () => {
    const { prisma, paul, john } = await setUp();
    const [opened, others] = [signal(), signal()];
    const transaction = prisma.$transaction(async (tx) => {
      await tx.todo.create({ data: { ownerId: paul.id, title: 'lost', dateCreated: '2026-11-23' } });
      opened.raise();
      await others.raised;
      await tx.todo.updateMany({ data: { title: 'lost' } });
      throw new Error('on purpose');
    });
    await opened.raised;
    // What is not committed is seen by nobody, and reads do not wait.
    assert.deepEqual(await rowsOf(prisma.todo.page(paul, listQuery({ limit: 10 }))), []);
    const fast = prisma.todo.add(john.id, { ...FIELDS, title: 'fast' });
    const plain = prisma.todo.create({ data: { ownerId: john.id, title: 'plain', dateCreated: '2026-11-23' } });
    const nested = prisma.user.update({
      where: { id: john.id },
      data: { email: 'j@x.org', todos: { create: { title: 'nested', dateCreated: '2026-11-23' } } },
    });
    const second = prisma.$transaction(async (tx) => {
      await tx.todo.create({ data: { ownerId: john.id, title: 'second', dateCreated: '2026-11-23' } });
    });
    others.raise();
    await assert.rejects(transaction, /on purpose/);
    await Promise.all([fast, plain, nested, second]);
    const titles = (await prisma.todo.findMany()).map(({ title }) => title);
    assert.deepEqual(titles.sort(), ['fast', 'nested', 'plain', 'second']);
  });

  test('among many, with fast writes and plain ones, ends', GUARD, async () => {
    const { prisma, paul } = await setUp();
    const create = (title: string) => ({ data: { ownerId: paul.id, title, dateCreated: '2026-11-23' } });
    const work = Array.from({ length: 15 }, (_, n) => [
      prisma.todo.add(paul.id, { ...FIELDS, title: 'kept' }),
      prisma.todo.create(create('kept')),
      prisma.$transaction([prisma.todo.create(create('kept')), prisma.todo.create(create('kept'))]),
      prisma
        .$transaction(
          async (tx) => {
            await tx.todo.create(create(n % 2 ? 'kept' : 'lost'));
            await tx.todo.count();
            if (n % 2 === 0) throw new Error('on purpose');
          },
          { maxWait: 30_000, timeout: 30_000 },
        )
        .catch((error: Error) => assert.match(error.message, /on purpose/)),
    ]);
    await Promise.all(work.flat());
    const counts = await prisma.todo.groupBy({ by: ['title'], _count: true });
    assert.deepEqual(counts, [{ title: 'kept', _count: 15 * 4 + 7 }]);
  });

  test('of which one part fails leaves nothing', GUARD, async () => {
    const { prisma, paul } = await setUp();
    const create = (dateCreated: string) => prisma.todo.create({ data: { ownerId: paul.id, title: 'a', dateCreated } });
    await assert.rejects(prisma.$transaction([create('2026-11-23'), create('never')]));
    assert.equal(await prisma.todo.count(), 0);
  });

  const failures: [name: string, options: object][] = [
    ['that lasts too long', { timeout: 20 }],
    ['of an isolation that the database does not know', { isolationLevel: 'Snapshot' }],
  ];
  for (const [name, options] of failures) {
    test(`${name} fails, and the writes after it go on`, GUARD, async () => {
      const { prisma, paul } = await setUp();
      const over = signal();
      const transaction = prisma.$transaction(async (tx) => {
        await tx.todo.create({ data: { ownerId: paul.id, title: 'lost', dateCreated: '2026-11-23' } });
        await over.raised;
        await tx.todo.count();
      }, options);
      const failed = assert.rejects(transaction);
      const writes = Promise.all([
        prisma.todo.create({ data: { ownerId: paul.id, title: 'plain', dateCreated: '2026-11-23' } }),
        prisma.todo.add(paul.id, FIELDS),
      ]);
      // On PostgreSQL the writes do not wait for the end of the transaction.
      await Promise.all([writes, sleep(100)]).finally(over.raise);
      await failed;
      assert.equal(await prisma.todo.count({ where: { title: 'lost' } }), 0);
      assert.equal(await prisma.todo.count(), 2);
    });
  }

  test('that waits too long for its turn fails, and the writes after it go on', GUARD, async (t) => {
    // PostgreSQL has one connection here, and so one turn, as SQLite.
    const database = await openDatabase(configure({ ...(await makeDatabase(t)), DATABASE_POOL_SIZE: '1' }));
    t.after(() => database.close());
    const { prisma, paul } = await setUp(database);
    const [opened, over] = [signal(), signal()];
    const first = prisma.$transaction(async (tx) => {
      await tx.todo.count();
      opened.raise();
      await over.raised;
    });
    await opened.raised;
    const second = prisma.$transaction((tx) => tx.todo.count(), { maxWait: 1 });
    const failed = assert.rejects(second, { code: 'P2028' });
    setTimeout(over.raise, 50);
    await Promise.all([first, failed]);
    await prisma.todo.create({ data: { ownerId: paul.id, title: 'plain', dateCreated: '2026-11-23' } });
    await prisma.todo.add(paul.id, FIELDS);
    assert.equal(await prisma.todo.count(), 2);
  });
});

suite('the database itself refuses', () => {
  const todo = { owner_id: 1, title: "'a'", body: "''", is_completed: 'false', date_created: "'2026-11-23'" };
  const user = { username: "'ringo'", email: "''", password: "'x'" };
  const token = { user_id: 1, name: "'a'", digest: `'${'d'.repeat(64)}'`, nonce: "'n'" };
  const session = { id: "'s'", user_id: 1, refresh_jti: "'j'", expires_at: "'2030-01-01T00:00:00.000+00:00'" };
  const insert = (name: string, row: object) =>
    `INSERT INTO ${name} (${Object.keys(row).join(', ')}) VALUES (${Object.values(row).join(', ')})`;
  const text = (length: number, unit = 'x') => `'${unit.repeat(length)}'`;
  const NUL = `'a' || ${isOnPostgresql ? 'chr' : 'char'}(0) || 'b'`;

  const refused: [name: string, sql: string][] = [
    ['a blank title', insert('todos', { ...todo, title: "''" })],
    ['a title of 101 characters', insert('todos', { ...todo, title: text(101) })],
    ['a title of 101 characters of two units', insert('todos', { ...todo, title: text(101, '😀') })],
    ['a title with NUL', insert('todos', { ...todo, title: NUL })],
    ['no title', insert('todos', { ...todo, title: 'NULL' })],
    ['a body of 10001 characters', insert('todos', { ...todo, body: text(10_001) })],
    ['a body with NUL', insert('todos', { ...todo, body: NUL })],
    ['no body', insert('todos', { ...todo, body: 'NULL' })],
    ['a third truth', insert('todos', { ...todo, is_completed: "'2'" })],
    ['no truth', insert('todos', { ...todo, is_completed: 'NULL' })],
    ...['', 'today', '2021-1-5', '2021-02-29', '0000-01-01', '20210105', '2021-01-05 00:00:00', '2459220'].map(
      (day): [string, string] => [`"${day}" as a day`, insert('todos', { ...todo, date_created: `'${day}'` })],
    ),
    ['no day', insert('todos', { ...todo, date_created: 'NULL' })],
    ['a version of 0', insert('todos', { ...todo, version: 0 })],
    ['no owner', insert('todos', { ...todo, owner_id: 'NULL' })],
    ['an owner who does not exist', insert('todos', { ...todo, owner_id: 99 })],
    ['to give a todo to nobody', 'UPDATE todos SET owner_id = 99'],
    ['to make a title blank', "UPDATE todos SET title = ''"],
    ['a username that is taken', insert('users', { ...user, username: "'paul'" })],
    ['a blank username', insert('users', { ...user, username: "''" })],
    ['a username of 151 characters', insert('users', { ...user, username: text(151) })],
    ['a username with NUL', insert('users', { ...user, username: NUL })],
    ['an e-mail address of 255 characters', insert('users', { ...user, email: text(255) })],
    ['no password', insert('users', { ...user, password: 'NULL' })],
    ['a user who is neither active nor not', insert('users', { ...user, is_active: "'2'" })],
    ['a user who is neither superuser nor not', insert('users', { ...user, is_superuser: "'-1'" })],
    ['a second default token', insert('api_tokens', { ...token, digest: `'${'e'.repeat(64)}'` })],
    ['a digest that is taken', insert('api_tokens', { ...token, nonce: 'NULL' })],
    ['a digest of another length', insert('api_tokens', { ...token, user_id: 2, digest: text(40) })],
    ['a token without a name', insert('api_tokens', { ...token, user_id: 2, digest: text(64), name: "''" })],
    ['a token of nobody', insert('api_tokens', { ...token, user_id: 99, digest: text(64) })],
    ['a session that is there', insert('sessions', session)],
    ['a session of nobody', insert('sessions', { ...session, id: "'t'", user_id: 99 })],
    ['a session without end', insert('sessions', { ...session, id: "'t'", expires_at: 'NULL' })],
  ];
  const taken: [name: string, sql: string][] = [
    ['a title of 100 characters of two units', insert('todos', { ...todo, title: text(100, '😀') })],
    ['a body of 10000 characters', insert('todos', { ...todo, body: text(10_000, '😀') })],
    ['a username of 150 characters', insert('users', { ...user, username: text(150, '😀') })],
    ['further tokens by name', insert('api_tokens', { ...token, digest: text(64), nonce: 'NULL' })],
    ["another user's default token", insert('api_tokens', { ...token, user_id: 2, digest: text(64, 'f') })],
  ];

  // PostgreSQL has other types for truths and for text without NUL, and checks a day by its parts.
  const code = isOnPostgresql ? /^(23|22007|22008|22P02|54000)/ : /^SQLITE_CONSTRAINT/;

  async function prepare(t: TestContext): Promise<Raw> {
    const address = await makeDatabase(t);
    const database = await openDatabase(configure(address));
    t.after(() => database.close());
    await setUp(database);
    const raw = connect(t, address);
    for (const sql of [insert('todos', todo), insert('api_tokens', token), insert('sessions', session)]) {
      await raw.execute(sql);
    }
    return raw;
  }

  test('what breaks its rules', async (t) => {
    const { execute } = await prepare(t);
    for (const [name, sql] of refused) await assert.rejects(execute(sql), { code }, name);
  });

  test('and takes what does not', async (t) => {
    const { execute } = await prepare(t);
    for (const [name, sql] of taken) await assert.doesNotReject(execute(sql), name);
  });

  test('and lets what is theirs go with a user', async (t) => {
    const { execute, select } = await prepare(t);
    await execute('DELETE FROM users WHERE id = 1');
    for (const name of ['todos', 'api_tokens', 'sessions']) assert.deepEqual(await select(`SELECT * FROM ${name}`), []);
    assert.equal((await select('SELECT * FROM users')).length, 2);
  });
});
