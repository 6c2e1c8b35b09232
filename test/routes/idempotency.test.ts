import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, type TestContext, test } from 'node:test';
import { deleteExpired } from '../../src/housekeeping.ts';
import { type Answer, addUser, build, isOnPostgresql, logIn, type SendOptions } from '../helper.ts';
import { exchange } from '../plugins/helper-socket.ts';

const LIST = '/api/v1/todo/';
const FORM = 'application/x-www-form-urlencoded';

const service = await build({ after: after as TestContext['after'] });
const { app } = service;
const { prisma } = app;
const paulId = (await addUser(service, 'paul')).id;
await addUser(service, 'mary');
const rootId = (await addUser(service, 'root', { isSuperuser: true })).id;
const paul = `Token ${(await logIn(service, 'paul')).token}`;
const mary = `Bearer ${(await logIn(service, 'mary')).access}`;
const root = `Token ${(await logIn(service, 'root')).token}`;

const count = () => prisma.todo.count();

/** Asks for a todo by a key, paul's at the usual path unless it is said otherwise. */
function ask(
  key: string,
  json: object,
  { path = LIST, authorization = paul, headers, ...options }: SendOptions & { path?: string } = {},
): Promise<Answer> {
  return service.send('POST', path, {
    authorization,
    ...('body' in options ? options : { json }),
    headers: { 'idempotency-key': key, ...headers },
  });
}

function assertFirst({ status, headers, text }: Answer): void {
  assert.deepEqual([status, headers['idempotent-replayed']], [201, undefined], text.slice(0, 200));
}

function assertReplay(answer: Answer, first: Answer): void {
  assert.deepEqual([answer.status, answer.headers['idempotent-replayed']], [201, 'true']);
  assert.equal(answer.text, first.text);
  for (const name of ['location', 'content-type', 'content-length']) {
    assert.equal(answer.headers[name], first.headers[name], name);
  }
}

const fields = { title: 'Buy milk', body: 'two litres', is_completed: true, date_created: '2026-11-23' };

test('the same request is answered as the first was, and makes nothing', async (t) => {
  const key = randomUUID();
  const first = await ask(key, fields);
  assertFirst(first);
  assert.deepEqual(first.body, {
    ...fields,
    id: first.body.id,
    last_modified: first.body.last_modified,
    owner: paulId,
  });
  assert.equal(first.headers.location, `${LIST}${first.body.id}/`);
  assert.equal((await service.send('GET', first.headers.location, { authorization: paul })).text, first.text);
  const before = await count();

  const multipart = (boundary: string) => ({
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: `${Object.entries(fields)
      .map(([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
      .join('')}--${boundary}--\r\n`,
  });
  const form = new URLSearchParams({ ...fields, is_completed: 'true' });
  const retries: [name: string, key: string, json: object, options?: Parameters<typeof ask>[2]][] = [
    ['as it was', key, fields],
    ['with its key in quotation marks', `"${key}"`, fields],
    ['with white space and unknown fields', key, { ...fields, title: ' Buy milk\n', colour: 'red' }],
    ['in another order', key, Object.fromEntries(Object.entries(fields).reverse())],
    ['without a slash', key, fields, { path: LIST.slice(0, -1) }],
    ['at the original path', key, fields, { path: `${LIST}create/` }],
    ['as a form', key, {}, { headers: { 'content-type': FORM }, body: form.toString() }],
    ['as multipart', key, {}, multipart('a')],
    ['as multipart of another boundary', key, {}, multipart('b')],
  ];
  for (const [name, ...retry] of retries) await t.test(name, async () => assertReplay(await ask(...retry), first));

  await t.test('when the todo was changed', async () => {
    const options = { authorization: paul, json: { title: 'Buy bread' } };
    assert.equal((await service.send('PATCH', String(first.headers.location), options)).status, 200);
    assertReplay(await ask(key, fields), first);
  });
  await t.test('when the todo was deleted', async () => {
    await service.send('DELETE', String(first.headers.location), { authorization: paul });
    assertReplay(await ask(key, fields), first);
    assert.equal((await service.send('GET', String(first.headers.location), { authorization: paul })).status, 404);
  });
  await t.test('by another credential of the user', async () => {
    const authorization = `Bearer ${(await logIn(service, 'paul')).access}`;
    assertReplay(await ask(key, fields, { authorization }), first);
  });
  assert.equal(await count(), before - 1);
});

test('what is left out stays left out, whatever its default was', async () => {
  const key = randomUUID();
  const first = await ask(key, { title: 'a' });
  assertFirst(first);
  assert.deepEqual([first.body.body, first.body.is_completed], ['', false]);
  assertReplay(await ask(key, { title: 'a' }), first);
  assert.equal((await ask(key, { title: 'a', date_created: '2020-01-01' })).status, 422);
});

test('a retry in another form is the same request, whatever is left out', async () => {
  const form = { headers: { 'content-type': FORM }, body: 'title=a' };
  const cases: [first: SendOptions, ...retries: SendOptions[]][] = [
    [{}, form, { json: { title: 'a', body: '' } }],
    [form, {}, { json: { title: 'a', is_completed: false } }],
  ];
  for (const [first, ...retries] of cases) {
    const key = randomUUID();
    const made = await ask(key, { title: 'a' }, first);
    assertFirst(made);
    for (const { json = { title: 'a' }, ...retry } of retries)
      assertReplay(await ask(key, json as object, retry), made);
  }
});

test('a key that is used again costs no id', async () => {
  const key = randomUUID();
  const first = await ask(key, fields);
  for (let i = 0; i < 5; i++) assertReplay(await ask(key, fields), first);
  assert.equal((await ask(key, { title: 'b' })).status, 422);
  assert.equal((await ask(randomUUID(), fields)).body.id, first.body.id + 1);
});

test('text is answered by a key as it is without', async () => {
  for (const text of [
    '<b>"a" & \'b\'</b> \\ /',
    'a\u0001\u001b[31m\u007fb\t\r\n\b\f.',
    'é🎉\u2028\u200e\u202e\ufeff.',
  ]) {
    const key = randomUUID();
    const first = await ask(key, { title: text, body: text });
    assert.deepEqual([first.body.title, first.body.body], [text, text]);
    assert.equal((await service.send('GET', String(first.headers.location), { authorization: paul })).text, first.text);
    assertReplay(await ask(key, { title: text, body: text }), first);
  }
  const key = randomUUID();
  const long = { title: '🎉'.repeat(100), body: '🎉'.repeat(10_000) };
  const first = await ask(key, long);
  assertFirst(first);
  assertReplay(await ask(key, long), first);
});

test('another request by the same key is refused', async () => {
  const key = randomUUID();
  const first = await ask(key, fields);
  const before = await count();
  const others = [
    { title: 'Buy bread' },
    { body: 'three litres' },
    { is_completed: false },
    { date_created: '2026-11-24' },
    { body: undefined },
  ];
  for (const other of others) {
    const { status, body } = await ask(key, { ...fields, ...other });
    assert.deepEqual([status, body], [422, { detail: 'This Idempotency-Key was used for another request.' }]);
  }
  assert.equal(await count(), before);
  assertReplay(await ask(key, fields), first);
});

test('what was refused is not kept', async () => {
  const key = randomUUID();
  const { status, body } = await ask(key, { ...fields, title: '' });
  assert.deepEqual([status, body], [400, { title: ['This field may not be blank.'] }]);
  assert.equal((await ask(key, fields, { authorization: 'Token x' })).status, 401);
  assert.equal((await ask(key, {}, { headers: { 'content-type': 'text/plain' }, body: 'x' })).status, 415);
  assertFirst(await ask(key, fields));
});

test('a key is one of its user alone', async () => {
  const key = randomUUID();
  const answers = [
    await ask(key, fields),
    await ask(key, fields, { authorization: mary }),
    await ask(key, { title: 'of root' }, { authorization: root }),
  ];
  for (const answer of answers) assertFirst(answer);
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 3);
  assert.equal(answers[2]?.body.owner, rootId);
  assertReplay(await ask(key, { title: 'of root' }, { authorization: root }), answers[2] as Answer);
  // A superuser, who may see the todo, still has keys of their own.
  assert.equal((await ask(key, fields, { authorization: root })).status, 422);
});

const BAD_KEY = {
  detail:
    'Idempotency-Key must be 1 to 255 printable ASCII characters, in quotation marks where they hold space, comma, quotation mark or backslash.',
};
const good: [name: string, key: string, same?: string][] = [
  ['a letter', 'a'],
  ['255 characters', 'x'.repeat(255)],
  ['255 characters in quotation marks', `"${'y'.repeat(255)}"`],
  ['signs', "!#$%&'()*+-./:;<=>?@[]^_`{|}~", '"!#$%&\'()*+-./:;<=>?@[]^_`{|}~"'],
  ['spaces and commas', '"a, b"'],
  ['255 quotation marks', `"${'\\"'.repeat(255)}"`],
  ['a backslash', '"a\\\\b"'],
];
const bad: [name: string, key: string][] = [
  ['nothing', ''],
  ['an empty string', '""'],
  ['256 characters', 'x'.repeat(256)],
  ['256 characters in quotation marks', `"${'x'.repeat(256)}"`],
  ['a space', 'a b'],
  ['a list', 'a,b'],
  ['one quotation mark', '"'],
  ['no end', '"a'],
  ['no beginning', 'a"'],
  ['a quotation mark within', '"a"b"'],
  ['an end that is none', '"a\\"'],
  ['an escape that is none', '"\\n"'],
  ['a bare backslash', 'a\\b'],
  ['parameters', '"a";b=1'],
  ['a tab', '"a\tb"'],
  ['what is not ASCII', 'caf\u00e9'],
  ['what is not ASCII, in quotation marks', '"caf\u00e9"'],
  ['half a kilobyte', `"${'\\\\'.repeat(256)}"`],
];
test('a key', async (t) => {
  for (const [name, key, same = key] of good) {
    await t.test(`may be ${name}`, async () => {
      const first = await ask(key, fields);
      assertFirst(first);
      assertReplay(await ask(same, fields), first);
    });
  }
  const before = await count();
  for (const [name, key] of bad) {
    await t.test(`may not be ${name}`, async () => {
      const { status, body } = await ask(key, fields);
      assert.deepEqual([status, body], [400, BAD_KEY]);
    });
  }
  await t.test('is one', async () => {
    for (const keys of [
      ['a', 'b'],
      ['"a"', '"a"'],
    ]) {
      const headers = `Host: x\r\nConnection: close\r\nAuthorization: ${paul}\r\nContent-Type: ${FORM}\r\nContent-Length: 7\r\n`;
      const lines = keys.map((key) => `Idempotency-Key: ${key}\r\n`).join('');
      const { status, body } = await exchange(
        service.origin,
        `POST ${LIST} HTTP/1.1\r\n${headers}${lines}\r\n`,
        'title=a',
      );
      assert.deepEqual([status, body], [400, BAD_KEY]);
    }
  });
  await t.test('is asked for after credentials', async () => {
    assert.equal((await ask('', fields, { authorization: 'Token x' })).status, 401);
  });
  assert.equal(await count(), before);
});

test('many at once make one todo', async () => {
  for (let round = 0; round < 5; round++) {
    const key = randomUUID();
    const before = await count();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(key, fields)));
    assert.equal(await count(), before + 1);
    const [first, ...others] = answers.filter(
      ({ status, headers }) => status === 201 && !headers['idempotent-replayed'],
    ) as [Answer, ...Answer[]];
    assert.deepEqual(others, []);
    for (const answer of answers.filter((one) => one !== first)) {
      if (answer.status === 409) assertInUse(answer);
      else assertReplay(answer, first);
    }
    assertReplay(await ask(key, fields), first);
  }
});

test('many keys at once, each twice, make a todo each', async () => {
  const keys = Array.from({ length: 20 }, () => randomUUID());
  const before = await count();
  const answers = await Promise.all([...keys, ...keys].map((key) => ask(key, { title: key })));
  assert.equal(await count(), before + keys.length);
  for (const { status } of answers) assert.ok([201, 409].includes(status));
});

function assertInUse({ status, body, headers }: Answer): void {
  assert.deepEqual([status, body], [409, { detail: 'A request with this Idempotency-Key is still under way.' }]);
  assert.equal(headers['retry-after'], '1');
}

/** Lets no todo of paul's be written while it runs. */
async function whileHeld(run: () => Promise<void>): Promise<void> {
  await prisma.$transaction(
    async (tx) => {
      // On SQLite a transaction alone is enough.
      if (isOnPostgresql) await tx.$queryRaw`SELECT id FROM users WHERE id = ${paulId} FOR UPDATE`;
      else await tx.user.count();
      await run();
    },
    { timeout: 30_000 },
  );
}

test('a key whose first request is under way is refused, and one that was answered is not', async () => {
  const [known, key] = [randomUUID(), randomUUID()];
  const first = await ask(known, fields);
  const before = await count();
  let underWay: Promise<Answer>[] = [];
  await whileHeld(async () => {
    underWay = [ask(key, fields), ask(key, fields)];
    assertInUse(await Promise.race(underWay));
    assertInUse(await ask(key, { title: 'another' }));
    assertReplay(await ask(known, fields), first);
  });
  const answers = await Promise.all(underWay);
  const [done] = answers.filter(({ status }) => status === 201) as [Answer];
  assertFirst(done);
  assert.equal(await count(), before + 1);
  assertReplay(await ask(key, fields), done);
});

test('an answer is kept for 24 hours', async () => {
  const [key, other] = [randomUUID(), randomUUID()];
  const at = (ms: number) => new Date(Date.now() + ms);
  const find = (key: string) => prisma.idempotencyKey.findUnique({ where: { userId_key: { userId: paulId, key } } });
  const end = (key: string, expiresAt: Date) =>
    prisma.idempotencyKey.update({ where: { userId_key: { userId: paulId, key } }, data: { expiresAt } });

  const first = await ask(key, fields);
  const { expiresAt, answer } = (await find(key)) ?? assert.fail();
  assert.ok(Math.abs(expiresAt.getTime() - at(24 * 3_600_000).getTime()) < 600_000);
  assert.equal(answer, first.text);

  await end(key, at(600_000));
  assertReplay(await ask(key, fields), first);
  await end(key, at(-1000));
  const second = await ask(key, { title: 'another' });
  assertFirst(second);
  assert.notEqual(second.body.id, first.body.id);
  assertReplay(await ask(key, { title: 'another' }), second);
  assert.equal((await ask(key, fields)).status, 422);

  assertFirst(await ask(other, fields));
  await end(other, at(-1000));
  await deleteExpired(prisma, app.config);
  assert.equal(await find(other), null);
  assert.ok(await find(key));
});

test('elsewhere, and without, a key does nothing', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  const kept = await prisma.idempotencyKey.count();
  const tokens = [1, 2].map(() =>
    service.send('POST', '/api/v1/tokens/', { authorization: paul, headers, json: { name: 'a' } }),
  );
  const [a, b] = await Promise.all(tokens);
  assert.deepEqual([a?.status, b?.status], [201, 201]);
  assert.notEqual(a?.body.token, b?.body.token);
  const { body: todo } = await service.send('POST', LIST, { authorization: paul, json: fields });
  for (const method of ['PATCH', 'PUT', 'GET', 'DELETE']) {
    const json = method === 'PATCH' || method === 'PUT' ? fields : undefined;
    const answer = await service.send(method, `${LIST}${todo.id}/`, {
      authorization: paul,
      headers,
      ...(json && { json }),
    });
    assert.ok(answer.status < 300);
    assert.equal(answer.headers['idempotent-replayed'], undefined);
  }
  assert.equal(await prisma.idempotencyKey.count(), kept);
});

test('the keys of a user go with them', async () => {
  const { id } = await addUser(service, 'otto');
  const authorization = `Token ${(await logIn(service, 'otto')).token}`;
  const key = randomUUID();
  assertFirst(await ask(key, fields, { authorization }));
  assert.equal(await prisma.idempotencyKey.count({ where: { userId: id } }), 1);
  await prisma.user.delete({ where: { id } });
  assert.equal(await prisma.idempotencyKey.count({ where: { key } }), 0);
  assert.equal((await ask(key, fields, { authorization })).status, 401);
});
