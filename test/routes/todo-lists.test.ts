import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { ORDERINGS, type Ordering } from '../../src/cursors.ts';
import type { TodoRow } from '../../src/database/index.ts';
import { MAX_SCANNED } from '../../src/database/pages.ts';
import { type Answer, addUser, build, logIn } from '../helper.ts';
import { keepLine } from '../plugins/helper-socket.ts';

const LIST = '/api/v1/todo/';
const context = { after: after as TestContext['after'] };
const service = await build(context);
const { send } = keepLine(context, service.origin);
const { prisma } = service.app;

type Stored = TodoRow & { updatedAt: string };

async function makeUser(name: string, isSuperuser = false) {
  const { id } = await addUser(service, name, { isSuperuser });
  return { id, authorization: `Token ${(await logIn(service, name)).token}` };
}
const [paul, mary, root] = [await makeUser('paul'), await makeUser('mary'), await makeUser('root', true)];

const TITLES = [
  'Buy milk',
  'buy MILK',
  'Ärger',
  'ärger',
  'Zoo',
  '100% done',
  '100 done',
  'a_b',
  'aXb',
  '😀',
  'Ω',
  'Οδος',
  '\u{ffff}',
];
const BODIES = ['', 'two litres', 'ZWEI LITER', 'Grüße aus Köln', 'ΟΔΟΣ', 'C:\\temp (x)', "it's"];
const DAYS = ['0001-01-01', '2026-01-31', '2026-02-01', '2026-02-28', '9999-12-31'];

let seed = 7;
/** The same each time, so that what fails fails again. */
function pick<Value>(values: readonly Value[]): Value {
  seed = (seed * 48271) % 2147483647;
  return values[seed % values.length] as Value;
}

const data = Array.from({ length: 300 }, (_, index) => ({
  ownerId: pick([paul, paul, mary]).id,
  title: pick(TITLES),
  body: pick(BODIES),
  isCompleted: pick([true, false]),
  dateCreated: pick(DAYS),
  // Of many, the moments are equal.
  updatedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, 0, Math.floor(index / 7) * 50)),
}));
await prisma.todo.createMany({ data });

/** Adds todos, all as the first; `other` is what the title of the `i`th is in SQL. Prisma takes long for thousands. */
async function addMany(ownerId: number, title: string, count: number, other = 'title') {
  const { id } = await prisma.todo.create({ data: { ownerId, title, dateCreated: '2026-01-01' } });
  await prisma.$executeRawUnsafe(`
    INSERT INTO todos (owner_id, title, body, is_completed, date_created, created_at, updated_at)
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${count - 1})
    SELECT owner_id, ${other}, body, is_completed, date_created, created_at, updated_at
    FROM todos CROSS JOIN numbers WHERE id = ${id} ORDER BY i`);
}

async function readAll(): Promise<Stored[]> {
  const rows = await prisma.todo.findMany({ orderBy: { id: 'asc' } });
  return rows.map(({ id, title, body, isCompleted, dateCreated, updatedAt, ownerId }) => ({
    id,
    title,
    body,
    is_completed: isCompleted,
    date_created: dateCreated,
    last_modified: updatedAt.toISOString().slice(0, 10),
    owner: ownerId,
    updatedAt: updatedAt.toISOString(),
  }));
}

type Query = Partial<Record<string, string>>;

/** What a list should have, told without a database. */
function expect(todos: Stored[], user: typeof paul, query: Query): TodoRow[] {
  const ordering = (query.ordering ?? 'id') as Ordering;
  const column = { id: 'id', last_modified: 'updatedAt', title: 'title' }[ordering.replace('-', '')] as keyof Stored;
  const fold = (text: string) => text.toUpperCase();
  const bytes = (value: unknown) => (typeof value === 'string' ? Buffer.from(value).toString('hex') : value) as string;
  const keys = new Map(todos.map((todo) => [todo, bytes(todo[column])]));
  const compare = (a: Stored, b: Stored) => {
    const [one, other] = [keys.get(a) as string, keys.get(b) as string];
    return one < other ? -1 : one > other ? 1 : a.id - b.id;
  };
  const since = query.modified_since && new Date(query.modified_since).toISOString();
  return todos
    .filter(({ owner }) => user === root || owner === user.id)
    .filter((todo) => query.is_completed === undefined || String(todo.is_completed) === query.is_completed)
    .filter((todo) => !query.created_after || todo.date_created >= query.created_after)
    .filter((todo) => !query.created_before || todo.date_created <= query.created_before)
    .filter((todo) => !since || todo.updatedAt >= since)
    .filter(({ title, body }) =>
      (query.search ?? '')
        .split(' ')
        .every((word) => fold(title).includes(fold(word)) || fold(body).includes(fold(word))),
    )
    .sort((a, b) => (ordering.startsWith('-') ? compare(b, a) : compare(a, b)))
    .map(({ updatedAt, ...todo }) => todo);
}

const address = (query: Query) => `${LIST}?${new URLSearchParams(query as Record<string, string>)}`;

function linkOf(answer: Answer, rel: 'next' | 'prev'): string | undefined {
  const [, link] = new RegExp(`<([^<>]+)>; rel="${rel}"`).exec(String(answer.headers.link ?? '')) ?? [];
  return link?.slice(service.origin.length);
}

async function get(user: typeof paul, path: string): Promise<Answer> {
  const answer = await send('GET', path, { authorization: user.authorization });
  assert.equal(answer.status, 200, `${path}: ${answer.text}`);
  return answer;
}

/** All pages from one on, in one direction. */
async function walk(user: typeof paul, path: string, rel: 'next' | 'prev' = 'next') {
  const pages: Answer[] = [];
  for (let next: string | undefined = path; next; next = linkOf(pages.at(-1) as Answer, rel)) {
    pages.push(await get(user, next));
    assert.ok(pages.length < 1000);
  }
  return pages;
}

const flat = (pages: Answer[]): TodoRow[] => pages.flatMap(({ body }) => body);

test('every filter, alone and with others, in every order', async (t) => {
  const todos = await readAll();
  const values: Record<string, (string | undefined)[]> = {
    is_completed: [undefined, 'true', 'false'],
    created_after: [undefined, '2026-02-01', '0001-01-01', '9999-12-31'],
    created_before: [undefined, '2026-02-01', '9999-12-31', '0001-01-01'],
    modified_since: [undefined, '2026-01-01T00:00:01Z', '2026-01-01', '2026-01-01T03:00:00.5+03:00', '2027-01-01'],
    search: [
      undefined,
      'milk',
      'MILK Liter',
      'ÄRGER',
      '100%',
      'a_b',
      'οδοσ',
      'ΟΔΟΣ milk',
      '(x)',
      '\\',
      "it's",
      'x'.repeat(200),
    ],
  };
  let found = 0;
  for (const ordering of ORDERINGS) {
    for (const user of [paul, root]) {
      await t.test(`${ordering} of ${user === root ? 'all' : 'one'}`, async () => {
        for (let i = 0; i < 12; i++) {
          const isUsed = pick([0.3, 0.7]);
          const chosen = Object.entries(values).map(([name, options]) => [
            name,
            pick([0, 0.5]) < isUsed ? pick(options) : undefined,
          ]);
          const query: Query = Object.fromEntries([['ordering', ordering], ...chosen].filter(([, value]) => value));
          const expected = expect(todos, user, query);
          found += expected.length;
          assert.deepEqual((await get(user, address(query))).body, expected, JSON.stringify(query));
          const pages = await walk(user, address({ ...query, limit: String(pick([1, 2, 7, 50]) + 3) }));
          assert.deepEqual(flat(pages), expected, JSON.stringify(query));
          // And back again from the last.
          const back = await walk(user, linkOf(pages.at(-1) as Answer, 'prev') ?? address(query), 'prev');
          const before =
            pages.length > 1 ? expected.slice(0, expected.length - (pages.at(-1)?.body.length ?? 0)) : expected;
          assert.deepEqual(flat(back.reverse()), before, JSON.stringify(query));
        }
      });
    }
  }
  assert.ok(found > 1000);
});

test('the first page has no page before it, the last none after it', async () => {
  const first = await get(paul, address({ limit: '5', ordering: 'title' }));
  assert.equal(linkOf(first, 'prev'), undefined);
  const second = await get(paul, linkOf(first, 'next') as string);
  const again = await get(paul, linkOf(second, 'prev') as string);
  assert.deepEqual([again.body, linkOf(again, 'prev')], [first.body, undefined]);
  assert.deepEqual((await get(paul, linkOf(again, 'next') as string)).body, second.body);
  const all = await get(paul, address({ ordering: 'title' }));
  assert.equal(all.headers.link, undefined);
});

test('a page that has become empty still leads back', async () => {
  const john = await makeUser('john');
  const rows = Array.from({ length: 6 }, (_, i) => ({ ownerId: john.id, title: `${i}`, dateCreated: '2026-01-01' }));
  for (const ordering of ORDERINGS) {
    await prisma.todo.createMany({ data: rows });
    const first = await get(john, address({ limit: '4', ordering }));
    const next = linkOf(first, 'next') as string;
    const second = await get(john, next);
    await prisma.todo.deleteMany({ where: { id: { in: second.body.map(({ id }: TodoRow) => id) } } });
    const empty = await get(john, next);
    assert.deepEqual(empty.body, []);
    const back = await get(john, linkOf(empty, 'prev') as string);
    assert.deepEqual(back.body, first.body, ordering);
    // The other way round.
    const previous = linkOf(second, 'prev') as string;
    await prisma.todo.deleteMany({ where: { ownerId: john.id } });
    const { id } = await prisma.todo.create({ data: { ownerId: john.id, title: '9', dateCreated: '2026-01-01' } });
    const none = await get(john, previous);
    if (ordering.startsWith('-'))
      assert.deepEqual(
        none.body.map((todo: TodoRow) => todo.id),
        [id],
        ordering,
      );
    else {
      assert.deepEqual(none.body, [], ordering);
      assert.deepEqual(
        (await get(john, linkOf(none, 'next') as string)).body.map((todo: TodoRow) => todo.id),
        [id],
        ordering,
      );
    }
    await prisma.todo.deleteMany({ where: { ownerId: john.id } });
  }
});

test('while todos come, go and change, those that stay are seen once, in order', async () => {
  for (const ordering of ORDERINGS) {
    const before = expect(await readAll(), paul, { ordering });
    const gone = before.filter((_, index) => index % 5 === 2).map(({ id }) => id);
    const seen: TodoRow[] = [];
    for (let next: string | undefined = address({ ordering, limit: '20' }); next; ) {
      const answer = await get(paul, next);
      seen.push(...answer.body);
      next = linkOf(answer, 'next');
      await prisma.todo.deleteMany({ where: { id: { in: gone.splice(0, 5) } } });
      await prisma.todo.createMany({
        data: ['', 'Mm', 'zz'].map((title) => ({ ownerId: paul.id, title: `${title}new`, dateCreated: '2026-01-01' })),
      });
      if (seen.length > 1000) break;
    }
    const stayed = new Set((await readAll()).map(({ id }) => id));
    const ids = new Set(before.map(({ id }) => id));
    const expected = before.filter(({ id }) => stayed.has(id)).map(({ id }) => id);
    assert.deepEqual(
      seen.map(({ id }) => id).filter((id) => ids.has(id) && stayed.has(id)),
      expected,
      ordering,
    );
    assert.equal(new Set(seen.map(({ id }) => id)).size, seen.length);
    await prisma.todo.deleteMany({ where: { title: { endsWith: 'new' } } });
  }
});

test('a filter looks at so many todos for a page and goes on with the next', async () => {
  const jane = await makeUser('jane');
  const needles = `CASE i % ${MAX_SCANNED} WHEN 3 THEN 'needle' ELSE title END`;
  await addMany(jane.id, 'hay', MAX_SCANNED * 2 + 10, needles);
  for (const ordering of ORDERINGS) {
    const pages = await walk(jane, address({ search: 'needle', ordering }));
    assert.deepEqual(
      flat(pages).map(({ title }) => title),
      ['needle', 'needle', 'needle'],
      ordering,
    );
    assert.equal(pages.length, 3);
    const back = await walk(jane, linkOf(pages.at(-1) as Answer, 'prev') as string, 'prev');
    const rest = flat(pages.slice(0, -1));
    assert.deepEqual(flat(back.reverse()), rest, ordering);
  }
  // What is older than a moment is not even looked at.
  const [last] = flat([await get(jane, address({ limit: '1', ordering: '-last_modified' }))]) as [TodoRow];
  await prisma.todo.update({ where: { id: last.id }, data: { updatedAt: new Date('2030-01-01') } });
  for (const ordering of ['last_modified', '-last_modified']) {
    const answer = await get(jane, address({ modified_since: '2029-01-01', ordering }));
    assert.deepEqual([answer.body.length, answer.headers.link], [1, undefined], ordering);
  }
  await prisma.todo.deleteMany({ where: { ownerId: jane.id } });
});

test('a filtered list misses none at the end of what it looks at, while others come and go before', async (t) => {
  const jill = await makeUser('jill');
  await addMany(jill.id, 'm', MAX_SCANNED - 2);
  const last = { ownerId: jill.id, title: 'z', dateCreated: '2026-01-01', isCompleted: true };
  await prisma.todo.create({ data: last });
  let isRead = false;
  const comeAndGo = async () => {
    const { send } = keepLine(t, service.origin);
    while (!isRead) {
      const { body } = await send('POST', LIST, { authorization: jill.authorization, json: { title: 'a' } });
      await send('DELETE', `${LIST}${body.id}/`, { authorization: jill.authorization });
    }
  };
  const others = Array.from({ length: 3 }, comeAndGo);
  for (let i = 0; i < 100; i++) {
    const pages = await walk(jill, address({ ordering: 'title', is_completed: 'true' }));
    assert.deepEqual(
      flat(pages).map(({ title }) => title),
      ['z'],
      `walk ${i}`,
    );
  }
  isRead = true;
  await Promise.all(others);
  await prisma.todo.deleteMany({ where: { ownerId: jill.id } });
});

test('a search through long todos goes on with the next page, and misses none', async () => {
  const jack = await makeUser('jack');
  const letters = 'abcdefghijklmnopqrstuvwxyzäöü';
  const rows = Array.from({ length: 66 }, (_, index) => ({
    ownerId: jack.id,
    title: index % 50 === 3 ? `needle ${index}` : 'hay',
    body: `${'-'.repeat(9_900)}${letters}`,
    dateCreated: '2026-01-01',
  }));
  await prisma.todo.createMany({ data: rows });
  for (const ordering of ORDERINGS) {
    const pages = await walk(jack, address({ search: `${[...letters].join(' ')} needle`, ordering }));
    const titles = ['needle 3', 'needle 53'];
    assert.deepEqual(
      flat(pages)
        .map(({ title }) => title)
        .sort(),
      titles,
      ordering,
    );
    assert.equal(pages.length, 10, ordering);
    const back = await walk(jack, linkOf(pages.at(-1) as Answer, 'prev') ?? '', 'prev');
    assert.deepEqual(flat(back.reverse()), flat(pages.slice(0, -1)), ordering);
  }
  await prisma.todo.deleteMany({ where: { ownerId: jack.id } });
});

test('a search through the dearest letters goes on with the next page sooner', async () => {
  const june = await makeUser('june');
  const rows = Array.from({ length: 20 }, (_, index) => ({
    ownerId: june.id,
    title: index % 10 === 3 ? `needle ${index}` : 'hay',
    body: 'ẞß'.repeat(5000),
    dateCreated: '2026-01-01',
  }));
  await prisma.todo.createMany({ data: rows });
  const pages = await walk(june, address({ search: 'needle', ordering: 'id' }));
  assert.deepEqual(
    flat(pages).map(({ title }) => title),
    ['needle 3', 'needle 13'],
  );
  assert.equal(pages.length, 3);
  await prisma.todo.deleteMany({ where: { ownerId: june.id } });
});

test('blank searches and unknown parameters ask for nothing', async () => {
  const all = (await get(mary, LIST)).body;
  for (const query of ['?search=', '?search=%20%20', '?owner=1', '?page=2', '?Ordering=title', '?is_complete=x']) {
    assert.deepEqual((await get(mary, LIST + query)).body, all, query);
  }
});

const DAY = ['Date has wrong format. Use one of these formats instead: YYYY-MM-DD.'];
const MOMENT = [
  'Datetime has wrong format. Use one of these formats instead: YYYY-MM-DD, YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].',
];
for (const [query, errors] of [
  ['is_completed=', { is_completed: ['Must be a valid boolean.'] }],
  ['is_completed=maybe', { is_completed: ['Must be a valid boolean.'] }],
  ['created_after=', { created_after: DAY }],
  ['created_after=2026-02-30', { created_after: DAY }],
  ['created_before=yesterday', { created_before: DAY }],
  ['created_before=2026-01-01T00:00', { created_before: DAY }],
  ['modified_since=', { modified_since: MOMENT }],
  ['modified_since=2026-13-01', { modified_since: MOMENT }],
  ['modified_since=1700000000', { modified_since: MOMENT }],
  ['ordering=', { ordering: ['"" is not a valid choice.'] }],
  ['ordering=owner', { ordering: ['"owner" is not a valid choice.'] }],
  ['ordering=--id', { ordering: ['"--id" is not a valid choice.'] }],
  ['ordering=id,title', { ordering: ['"id,title" is not a valid choice.'] }],
  [`search=${'x'.repeat(201)}`, { search: ['Ensure this field has no more than 200 characters.'] }],
  ['search=%00', { search: ['Null characters are not allowed.'] }],
  [
    'ordering=x&limit=0&is_completed=2',
    {
      is_completed: ['Must be a valid boolean.'],
      ordering: ['"x" is not a valid choice.'],
      limit: ['Ensure this value is greater than or equal to 1.'],
    },
  ],
] as const) {
  test(`refused: ${query.slice(0, 40)}`, async () => {
    const answer = await service.send('GET', `${LIST}?${query}`, { authorization: paul.authorization });
    assert.deepEqual([answer.status, answer.body], [400, errors]);
  });
}

test('a cursor holds for its ordering alone', async () => {
  const first = await get(paul, address({ limit: '2', ordering: 'title' }));
  const other = (linkOf(first, 'next') as string).replace('ordering=title', 'ordering=-title');
  const answer = await service.send('GET', other, { authorization: paul.authorization });
  assert.deepEqual([answer.status, answer.body], [400, { cursor: ['Invalid cursor.'] }]);
});
