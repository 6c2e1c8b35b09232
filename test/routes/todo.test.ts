import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { type Answer, addUser, build, enter } from '../helper.ts';
import { exchange, keepLine } from '../plugins/helper-socket.ts';

const NOT_FOUND = { detail: 'Not found.' };
const REQUIRED = ['This field is required.'];
const BLANK = ['This field may not be blank.'];
const NULL = ['This field may not be null.'];
const NOT_TEXT = ['Not a valid string.'];
const NOT_FLAG = ['Must be a valid boolean.'];
const NOT_DAY = ['Date has wrong format. Use one of these formats instead: YYYY-MM-DD.'];
const NUL = ['Null characters are not allowed.'];
const longerThan = (limit: number) => [`Ensure this field has no more than ${limit} characters.`];

const LIST = '/api/v1/todo/';
const ENTRY = [LIST, '/api/v1/todo/create/'];
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const MULTIPART = { 'content-type': 'multipart/form-data; boundary=b' };
const today = () => new Date().toISOString().slice(0, 10);

const context = { after: after as TestContext['after'] };
const service = await build(context);
service.send = keepLine(context, service.origin).send;
const ids = {
  paul: (await addUser(service, 'paul')).id,
  mary: (await addUser(service, 'mary')).id,
  root: (await addUser(service, 'root', { isSuperuser: true })).id,
};
const paul = `Token ${(await enter(service, ids.paul)).token}`;
const mary = `Bearer ${(await enter(service, ids.mary)).access}`;
const root = `Bearer ${(await enter(service, ids.root)).access}`;

async function make(json: object = {}, authorization = paul) {
  const answer = await service.send('POST', LIST, { authorization, json: { title: 'made before', ...json } });
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
}
const stored = (id: number) => service.app.prisma.todo.findUnique({ where: { id } });
const dump = () => service.app.prisma.todo.findMany({ orderBy: { id: 'asc' } });
const multipart = (fields: Record<string, string>) =>
  `${Object.entries(fields)
    .map(([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
    .join('')}--b--\r\n`;

/** Where a todo can be written, by method. */
const written: [string, (id: number | string) => string][] = [
  ['PUT', (id) => `/api/v1/todo/${id}/`],
  ['PATCH', (id) => `/api/v1/todo/${id}/`],
  ['PUT', (id) => `/api/v1/todo/update/${id}/`],
  ['PATCH', (id) => `/api/v1/todo/update/${id}/`],
];
const removed: [string, (id: number | string) => string][] = [
  ['DELETE', (id) => `/api/v1/todo/${id}/`],
  ['DELETE', (id) => `/api/v1/todo/delete/${id}/`],
];
const read: [string, (id: number | string) => string][] = [
  ['GET', (id) => `/api/v1/todo/${id}/`],
  ['HEAD', (id) => `/api/v1/todo/${id}/`],
];

test('a todo is made of its fields, by JSON, form and multipart, at both paths', async (t) => {
  const fields = { title: ' Buy milk ', body: 'two litres', is_completed: 'true', date_created: '2020-1-6' };
  const bodies: [string, object][] = [
    ['JSON', { json: fields }],
    ['a form', { headers: FORM, body: new URLSearchParams(fields).toString() }],
    ['multipart', { headers: MULTIPART, body: multipart(fields) }],
  ];
  for (const entry of ENTRY) {
    for (const path of [entry, entry.slice(0, -1)]) {
      for (const [what, options] of bodies) {
        await t.test(`${what} at ${path}`, async () => {
          const { status, headers, body } = await service.send('POST', path, { authorization: paul, ...options });
          assert.equal(status, 201);
          assert.deepEqual(body, {
            id: body.id,
            title: 'Buy milk',
            body: 'two litres',
            is_completed: true,
            date_created: '2020-01-06',
            last_modified: body.last_modified,
            owner: ids.paul,
          });
          assert.ok([today(), body.last_modified].includes(body.last_modified));
          assert.match(body.last_modified, /^\d{4}-\d\d-\d\d$/);
          assert.equal(headers.location, `/api/v1/todo/${body.id}/`);
          const again = await service.send('GET', headers.location, { authorization: paul });
          assert.deepEqual(again.body, body);
        });
      }
    }
  }
});

test('what is left out has a default', async () => {
  const day = today();
  for (const options of [
    { json: { title: 'a' } },
    { headers: FORM, body: 'title=a' },
    { headers: MULTIPART, body: multipart({ title: 'a' }) },
  ]) {
    const { body } = await service.send('POST', LIST, { authorization: paul, ...options });
    assert.deepEqual([body.title, body.body, body.is_completed], ['a', '', false]);
    assert.ok([day, today()].includes(body.date_created));
  }
});

test('read-only and unknown fields are ignored', async () => {
  const json = { id: 1_999_999, last_modified: '1999-12-31', owner: ids.mary, version: 7, colour: { a: [1] } };
  const made = await make(json);
  assert.ok(made.id < 1_999_999);
  assert.deepEqual([made.owner, 'colour' in made, 'version' in made], [ids.paul, false, false]);
  assert.notEqual(made.last_modified, '1999-12-31');
  for (const [method, path] of written) {
    const { status, body } = await service.send(method, path(made.id), {
      authorization: paul,
      json: { title: 'b', ...json },
    });
    assert.deepEqual([status, body.id, body.owner], [200, made.id, ids.paul]);
  }
  assert.equal((await stored(made.id))?.version, 5);
});

test('ids grow and are never used again', async () => {
  let last = 0;
  for (let times = 0; times < 3; times++) {
    const { id } = await make();
    assert.ok(Number.isInteger(id) && id > last);
    last = id;
    assert.equal((await service.send('DELETE', `${LIST}${id}/`, { authorization: paul })).status, 204);
  }
});

test('text comes back as it was sent', async () => {
  for (const text of [
    '<b>"a" & \'b\'</b>',
    '{{ x }} \\ / $y %s',
    'a\u0001\u001b[31m\u007fb',
    'é🎉👩‍👩‍👧\u200e\u202eb\ufeff.',
    'a \t\r\n b',
    '__proto__',
    "'; DROP TABLE todos; --",
    'x'.repeat(100),
    '🎉'.repeat(100),
  ]) {
    const made = await make({ title: text, body: text });
    assert.deepEqual([made.title, made.body], [text, text]);
    const [listed] = (await service.send('GET', LIST, { authorization: paul })).body.slice(-1);
    assert.deepEqual(listed, made);
  }
  const long = '🎉'.repeat(10_000);
  assert.equal((await make({ body: long })).body, long);
});

const accepted: [string, object, object][] = [
  ['a number for text', { title: 123, body: -1.5 }, { title: '123', body: '-1.5' }],
  ['a blank body', { body: ' ' }, { body: '' }],
  ...[true, 1, 't', 'T', 'y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON', '1'].map(
    (value): [string, object, object] => [`${JSON.stringify(value)}`, { is_completed: value }, { is_completed: true }],
  ),
  ...[false, 0, 'f', 'F', 'n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF', '0'].map(
    (value): [string, object, object] => [`${JSON.stringify(value)}`, { is_completed: value }, { is_completed: false }],
  ),
  ['a day of one digit', { date_created: '2021-1-5' }, { date_created: '2021-01-05' }],
  ['a leap day', { date_created: '2020-2-29' }, { date_created: '2020-02-29' }],
  ['the first day', { date_created: '0001-01-01' }, { date_created: '0001-01-01' }],
  ['the last day', { date_created: '9999-12-31' }, { date_created: '9999-12-31' }],
];

const refused: [string, object, object][] = [
  [
    'null',
    { title: null, body: null, is_completed: null, date_created: null },
    { title: NULL, body: NULL, is_completed: NULL, date_created: NULL },
  ],
  ['a blank title', { title: '' }, { title: BLANK }],
  ['a title of white space', { title: ' \t\n\u00a0\u2003' }, { title: BLANK }],
  ['a title too long', { title: 'x'.repeat(101) }, { title: longerThan(100) }],
  ['a title too long by code points', { title: '🎉'.repeat(101) }, { title: longerThan(100) }],
  ['a body too long', { body: 'x'.repeat(10_001) }, { body: longerThan(10_000) }],
  ['NUL', { title: 'a\0b', body: '\0' }, { title: NUL, body: NUL }],
  ['a lone surrogate', { title: 'a\ud800b' }, { title: ['Surrogate characters are not allowed: U+D800.'] }],
  [
    'surrogates the wrong way round',
    { body: '\udc00\ud800' },
    { body: ['Surrogate characters are not allowed: U+DC00.'] },
  ],
  ['booleans', { title: true, body: false }, { title: NOT_TEXT, body: NOT_TEXT }],
  [
    'arrays',
    { title: ['a'], body: [], is_completed: [true], date_created: ['2020-01-01'] },
    { title: NOT_TEXT, body: NOT_TEXT, is_completed: NOT_FLAG, date_created: NOT_DAY },
  ],
  [
    'objects',
    { title: { a: 1 }, body: {}, is_completed: {}, date_created: {} },
    { title: NOT_TEXT, body: NOT_TEXT, is_completed: NOT_FLAG, date_created: NOT_DAY },
  ],
  ...[2, -1, 1.5, ' true ', 'tRUE', '', 'null', '1.0', '2', 'oN', 'yEs'].map((value): [string, object, object] => [
    `${JSON.stringify(value)} for is_completed`,
    { is_completed: value },
    { is_completed: NOT_FLAG },
  ]),
  ...[
    ...['', ' 2020-12-16', '2020-12-16 ', '2020-12-16T00:00:00Z', '2020-12-16 00:00', '20201216', '16-12-2020'],
    ...['2020/12/16', '2020-13-01', '2020-00-10', '2020-01-00', '2021-02-29', '2020-04-31', '0000-01-01', '20-1-1'],
    ...[
      '12020-01-01',
      '+2020-01-01',
      '-2020-01-01',
      '2020-012-1',
      '2020-W01-1',
      '２０２０-01-01',
      'today',
      '2020-1-1\n',
    ],
    ...[20201216, 1608076800.5, true, false],
  ].map((value): [string, object, object] => [
    `${JSON.stringify(value)} for date_created`,
    { date_created: value },
    { date_created: NOT_DAY },
  ]),
];

test('what is taken, by POST, PUT and PATCH alike', async (t) => {
  const { id } = await make();
  for (const [what, json, expected] of accepted) {
    await t.test(what, async () => {
      const answers = [
        await service.send('POST', LIST, { authorization: paul, json: { title: 'a', ...json } }),
        await service.send('PUT', `${LIST}${id}/`, { authorization: paul, json: { title: 'a', ...json } }),
        await service.send('PATCH', `${LIST}${id}/`, { authorization: paul, json }),
      ];
      for (const { status, text, body } of answers) {
        assert.ok(status < 300, text);
        for (const [name, value] of Object.entries(expected)) assert.deepEqual(body[name], value);
      }
    });
  }
});

test('what is refused, by POST, PUT and PATCH alike, and changes nothing', async (t) => {
  const { id } = await make();
  const rows = await dump();
  const all: [string, string, number | undefined][] = [
    ...ENTRY.map((path): [string, string, undefined] => ['POST', path, undefined]),
    ...written.map(([method, path]): [string, string, number] => [method, path(id), id]),
  ];
  for (const [what, json, expected] of refused) {
    await t.test(what, async () => {
      for (const [method, path] of all) {
        const { status, body } = await service.send(method, path, {
          authorization: paul,
          json: { title: 'a', ...json },
        });
        assert.deepEqual([method, status, body], [method, 400, expected]);
      }
    });
  }
  await t.test('one bad field among good ones', async () => {
    for (const [method, path] of all) {
      const json = { title: 'new', is_completed: true, body: null };
      const { status, body } = await service.send(method, path, { authorization: paul, json });
      assert.deepEqual([status, body], [400, { body: NULL }]);
    }
  });
  for (const [text, type] of [
    ['[]', 'list'],
    ['[{"title": "a"}]', 'list'],
    ['[1]', 'list'],
    ['"x"', 'str'],
    ['5', 'int'],
    ['5.5', 'float'],
    ['false', 'bool'],
    ['null', null],
  ] as const) {
    await t.test(`no object: ${text}`, async () => {
      const message = type === null ? 'No data provided' : `Invalid data. Expected a dictionary, but got ${type}.`;
      for (const [method, path] of all) {
        const headers = { 'content-type': 'application/json' };
        const { status, body } = await service.send(method, path, { authorization: paul, headers, body: text });
        assert.deepEqual([method, status, body], [method, 400, { non_field_errors: [message] }]);
      }
    });
  }
  await t.test('malformed bodies and other types', async () => {
    for (const [method, path] of all) {
      for (const [type, sent, status] of [
        ['application/json', '{"title"', 400],
        ['multipart/form-data', 'title=a', 400],
        ['text/plain', 'title=a', 415],
        ['', 'title=a', 415],
      ] as const) {
        const headers = { 'content-type': type };
        const answer = await service.send(method, path, { authorization: paul, headers, body: sent });
        assert.deepEqual([method, answer.status, Object.keys(answer.body)], [method, status, ['detail']]);
      }
    }
  });
  await t.test('a title left out, by POST and PUT', async () => {
    for (const [method, path] of all.filter(([method]) => method !== 'PATCH')) {
      for (const options of [{}, { json: {} }, { headers: FORM, body: '' }, { headers: FORM, body: 'body=a' }]) {
        const { status, body } = await service.send(method, path, { authorization: paul, ...options });
        assert.deepEqual([method, status, body], [method, 400, { title: REQUIRED }]);
      }
    }
  });
  assert.deepEqual(await dump(), rows);
});

test('a change', async (t) => {
  const whole = { title: 'old', body: 'text', is_completed: true, date_created: '2020-12-16' };
  const rows: [string, string, object, object][] = [
    [
      'PUT replaces',
      'PUT',
      { json: { title: 'new', body: 'b', is_completed: false, date_created: '2021-01-01' } },
      { title: 'new', body: 'b', is_completed: false, date_created: '2021-01-01' },
    ],
    ['PUT of JSON keeps what is left out', 'PUT', { json: { title: 'new' } }, { title: 'new' }],
    [
      'PUT of a form keeps it, but for the box',
      'PUT',
      { headers: FORM, body: 'title=new' },
      { title: 'new', is_completed: false },
    ],
    [
      'PUT of multipart, too',
      'PUT',
      { headers: MULTIPART, body: multipart({ title: 'new' }) },
      { title: 'new', is_completed: false },
    ],
    [
      'PUT of a form with the box',
      'PUT',
      { headers: FORM, body: 'title=new&is_completed=on&body=' },
      { title: 'new', body: '' },
    ],
    ['PATCH of one field', 'PATCH', { json: { body: '' } }, { body: '' }],
    ['PATCH of the box', 'PATCH', { json: { is_completed: false } }, { is_completed: false }],
    ['PATCH of the day', 'PATCH', { json: { date_created: '2022-2-2' } }, { date_created: '2022-02-02' }],
    ['PATCH of a form leaves the box alone', 'PATCH', { headers: FORM, body: 'title=new' }, { title: 'new' }],
    ['PATCH of multipart, too', 'PATCH', { headers: MULTIPART, body: multipart({ body: 'b' }) }, { body: 'b' }],
  ];
  for (const [what, method, options, changes] of rows) {
    for (const [, path] of written.filter(([name]) => name === method)) {
      await t.test(`${what}: ${path('…')}`, async () => {
        const made = await make(whole);
        const { status, body } = await service.send(method, path(made.id), { authorization: paul, ...options });
        assert.deepEqual([status, body], [200, { ...made, ...changes }]);
        assert.equal((await stored(made.id))?.version, 2);
        const again = await service.send('GET', `${LIST}${made.id}/`, { authorization: paul });
        assert.deepEqual(again.body, body);
      });
    }
  }
  const nothing: [string, object][] = [
    ['an empty object', { json: {} }],
    ['unknown fields', { json: { id: 5, colour: 'red' } }],
    ['no body', {}],
    ['an empty body with a type', { headers: { 'content-type': 'application/json' } }],
    ['an empty form', { headers: FORM, body: '&' }],
    ['an empty multipart form', { headers: MULTIPART, body: multipart({}) }],
  ];
  for (const [what, options] of nothing) {
    await t.test(`PATCH of ${what} changes nothing`, async () => {
      const made = await make(whole);
      const row = await stored(made.id);
      for (const [, path] of written.filter(([method]) => method === 'PATCH')) {
        const { status, body } = await service.send('PATCH', path(made.id), { authorization: paul, ...options });
        assert.deepEqual([status, body], [200, made]);
      }
      assert.deepEqual(await stored(made.id), row);
    });
  }
});

test('an id', async (t) => {
  const unknown = [
    '0',
    '00',
    '2000000000',
    '2147483647',
    '2147483648',
    '4294967297',
    '9007199254740993',
    '9'.repeat(19),
  ];
  const huge = ['9'.repeat(400), '1'.padStart(5000, '9')];
  const routes = [...read, ...written, ...removed];
  const json = { title: 'a' };
  for (const id of [...unknown, ...huge]) {
    await t.test(`${id.slice(0, 20)} (${id.length} digits) is unknown`, async () => {
      for (const [method, path] of routes) {
        const answer = await service.send(method, path(id), { authorization: root, json });
        assert.equal(answer.status, 404);
        if (method !== 'HEAD') assert.deepEqual(answer.body, NOT_FOUND);
      }
    });
  }
  for (const id of [
    'abc',
    '-1',
    '+1',
    '1.0',
    '1e3',
    '0x1',
    '1%20',
    '%20',
    '%00',
    '1%00',
    '%D9%A1',
    '１',
    'null',
    '1,2',
    '1;2',
  ]) {
    await t.test(`${id} is a path that does not exist`, async () => {
      for (const [method, path] of routes) {
        const encoded = encodeURI(id).replaceAll('%25', '%');
        assert.equal((await service.send(method, path(encoded), { json })).status, 404);
      }
    });
  }
  await t.test('is judged before bad fields, and after a bad body', async () => {
    for (const [method, path] of written) {
      for (const bad of [{ title: null }, { title: '', body: 5, date_created: 'x' }, [], null, 'x']) {
        const answer = await service.send(method, path(2_000_000_000), { authorization: paul, json: bad });
        assert.deepEqual([answer.status, answer.body], [404, NOT_FOUND]);
      }
      const headers = { 'content-type': 'application/json' };
      const malformed = await service.send(method, path(2_000_000_000), { authorization: paul, headers, body: '{' });
      assert.equal(malformed.status, 400);
      const other = { 'content-type': 'text/plain' };
      const foreign = await service.send(method, path(2_000_000_000), {
        authorization: paul,
        headers: other,
        body: '{',
      });
      assert.equal(foreign.status, 415);
    }
  });
  await t.test('may have zeros before it', async () => {
    const made = await make();
    assert.deepEqual((await service.send('GET', `${LIST}000${made.id}/`, { authorization: paul })).body, made);
  });
});

test('a removal answers 204 with no body, once, whatever it is sent', async (t) => {
  const options: [string, object][] = [
    ['nothing', {}],
    ['an empty body with a type', { headers: { 'content-type': 'application/json' } }],
    ['JSON', { json: { reason: 'done' } }],
    ['malformed JSON', { headers: { 'content-type': 'application/json' }, body: '{"' }],
    ['another type', { headers: { 'content-type': 'text/plain' }, body: 'x' }],
    ['no type', { body: 'x' }],
    ['a type that is none', { headers: { 'content-type': 'nonsense' }, body: 'x' }],
  ];
  for (const [, path] of removed) {
    for (const [what, sent] of options) {
      await t.test(`${path('…')} with ${what}`, async () => {
        const { id } = await make();
        const answer = await service.send('DELETE', path(id), { authorization: paul, ...sent });
        assert.deepEqual([answer.status, answer.text, answer.headers['content-type']], [204, '', undefined]);
        assert.equal(await stored(id), null);
        const again = await service.send('DELETE', path(id), { authorization: paul, ...sent });
        assert.deepEqual([again.status, again.body], [404, NOT_FOUND]);
      });
    }
  }
});

test("another's todo does not exist, on every route, method and form", async (t) => {
  const hers = await make({ title: 'hers' }, mary);
  const roots = await make({ title: "root's" }, root);
  const forms: [string, object][] = [
    ['JSON', { json: { title: 'taken', is_completed: true } }],
    ['bad JSON fields', { json: { title: null } }],
    ['a form', { headers: FORM, body: 'title=taken' }],
    ['multipart', { headers: MULTIPART, body: multipart({ title: 'taken' }) }],
    ['nothing', {}],
  ];
  for (const [method, path] of [...read, ...written, ...removed]) {
    for (const [what, options] of forms) {
      await t.test(`${method} ${path('…')} with ${what}`, async () => {
        for (const { id } of [hers, roots]) {
          for (const target of [path(id), path(id).slice(0, -1)]) {
            const row = await stored(id);
            const answer = await service.send(method, target, { authorization: paul, ...options });
            const unknown = await service.send(method, path(2_000_000_000), { authorization: paul, ...options });
            assert.equal(answer.status, 404);
            assert.equal(answer.text, unknown.text);
            assert.deepEqual(Object.keys(answer.headers).sort(), Object.keys(unknown.headers).sort());
            assert.deepEqual(await stored(id), row);
          }
        }
      });
    }
  }
  await t.test('nor is it listed', async () => {
    const titlesOf = async (authorization: string) =>
      (await service.send('GET', LIST, { authorization })).body.map(({ owner }: { owner: number }) => owner);
    assert.deepEqual(new Set(await titlesOf(paul)), new Set([ids.paul]));
    assert.deepEqual(new Set(await titlesOf(mary)), new Set([ids.mary]));
    assert.deepEqual(new Set(await titlesOf(root)), new Set([ids.paul, ids.mary, ids.root]));
  });
  await t.test('a superuser reads, changes and removes it, and it stays its owner’s', async () => {
    const { id } = await make({}, mary);
    assert.equal((await service.send('GET', `${LIST}${id}/`, { authorization: root })).body.owner, ids.mary);
    for (const [method, path] of written) {
      const { status, body } = await service.send(method, path(id), { authorization: root, json: { title: method } });
      assert.deepEqual([status, body.title, body.owner], [200, method, ids.mary]);
    }
    assert.equal((await service.send('GET', `${LIST}${id}/`, { authorization: mary })).body.title, 'PATCH');
    assert.equal((await service.send('DELETE', `${LIST}${id}/`, { authorization: root })).status, 204);
  });
});

test('every route asks for credentials before all else', async () => {
  const { id } = await make();
  const rows = await dump();
  for (const [method, path] of [...read, ...written, ...removed]) {
    for (const json of [{ title: 'a' }, { title: null }, []]) {
      assert.equal((await service.send(method, path(id), { json })).status, 401);
      assert.equal((await service.send(method, path(2_000_000_000), { json })).status, 401);
    }
  }
  for (const path of ENTRY) assert.equal((await service.send('POST', path, { body: 'x' })).status, 401);
  assert.equal((await service.send('GET', `${LIST}?limit=x`)).status, 401);
  assert.deepEqual(await dump(), rows);
});

/** The address of the next page, as a client resolves it; undefined on the last. */
function nextOf({ headers }: Pick<Answer, 'headers'>): URL | undefined {
  const [, link] = /<([^<>]+)>; rel="next"/.exec(String(headers.link ?? '')) ?? [];
  return link === undefined ? undefined : new URL(link, service.origin);
}

test('pages', async (t) => {
  const { prisma } = service.app;
  const pagerId = (await addUser(service, 'pager')).id;
  const pager = `Token ${(await enter(service, pagerId)).token}`;
  const data = Array.from({ length: 2500 }, (_, index) => ({
    ownerId: pagerId,
    title: `${index}`,
    dateCreated: '2020-01-01',
  }));
  await prisma.todo.createMany({ data });
  // Others' todos lie between.
  await make();
  await prisma.todo.createMany({ data: data.slice(0, 10).map((todo) => ({ ...todo, ownerId: ids.mary })) });

  /** Follows the links from a path to their end. */
  async function walk(path: string, between = async (_page: number) => {}) {
    const pages: { id: number; title: string; owner: number }[][] = [];
    for (let next: string | undefined = path; next; ) {
      const answer: Answer = await service.send('GET', next, { authorization: pager });
      assert.equal(answer.status, 200, answer.text);
      pages.push(answer.body);
      const link = nextOf(answer);
      assert.ok(link === undefined || link.origin === service.origin);
      next = link && link.pathname + link.search;
      await between(pages.length);
    }
    return pages;
  }

  await t.test('the list has 1000 at most', async () => {
    const pages = await walk(LIST);
    assert.deepEqual(
      pages.map(({ length }) => length),
      [1000, 1000, 500],
    );
    assert.deepEqual(
      pages.flat().map(({ title }) => title),
      data.map(({ title }) => title),
    );
  });
  for (const [query, sizes] of [
    ['?limit=1000', [1000, 1000, 500]],
    ['?limit=999', [999, 999, 502]],
    ['?limit=625', [625, 625, 625, 625]],
    ['?format=json&limit=900&x=%20%26', [900, 900, 700]],
    ['?limit=1&limit=1000', [1000, 1000, 500]],
  ] as const) {
    await t.test(`${query}, with no repeat and no gap`, async () => {
      for (const path of [LIST, LIST.slice(0, -1)]) {
        const pages = await walk(path + query);
        assert.deepEqual(
          pages.map(({ length }) => length),
          sizes,
        );
        assert.deepEqual(
          pages.flat().map(({ title }) => title),
          data.map(({ title }) => title),
        );
      }
    });
  }
  await t.test('the link keeps the rest of the query', async () => {
    const link = nextOf(await service.send('GET', `${LIST}?x=%20%26&limit=2`, { authorization: pager }));
    assert.ok(link);
    assert.deepEqual([link.pathname, link.searchParams.get('x'), link.searchParams.get('limit')], [LIST, ' &', '2']);
    assert.equal([...link.searchParams.keys()].filter((name) => name === 'cursor').length, 1);
  });
  await t.test('HEAD gives the link, too', async () => {
    const answer = await service.send('HEAD', `${LIST}?limit=2`, { authorization: pager });
    assert.deepEqual([answer.status, answer.text], [200, '']);
    assert.ok(nextOf(answer));
  });
  await t.test('while todos come and go, those that stay are seen once, in order', async () => {
    const before = await prisma.todo.findMany({ where: { ownerId: pagerId }, orderBy: { id: 'asc' } });
    const gone = new Set(before.filter((_, index) => index % 7 === 3).map(({ id }) => id));
    const pages = await walk(`${LIST}?limit=250`, async (page) => {
      if (page > 8) return;
      const some = [...gone].slice((page - 1) * 45, page * 45);
      await prisma.todo.deleteMany({ where: { id: { in: some } } });
      await prisma.todo.createMany({ data: data.slice(0, 20) });
    });
    const seen = pages.flat().map(({ id }) => id);
    assert.deepEqual(
      seen,
      [...new Set(seen)].sort((a, b) => a - b),
    );
    const seenIds = new Set(seen);
    for (const { id } of before) if (!gone.has(id)) assert.ok(seenIds.has(id), `${id} is missing`);
    assert.ok(pages.flat().every(({ owner }) => owner === pagerId));
  });
  await t.test('a page goes on though its last todo is gone', async () => {
    const first = await service.send('GET', `${LIST}?limit=5`, { authorization: pager });
    const expected = await service.send('GET', `${LIST}?limit=6`, { authorization: pager });
    await prisma.todo.delete({ where: { id: first.body[4].id } });
    const next = LIST + nextOf(first)?.search;
    assert.equal((await service.send('GET', next, { authorization: pager })).body[0].id, expected.body[5].id);
  });
  await t.test('a cursor is good for no more than its user sees', async () => {
    const first = await service.send('GET', `${LIST}?limit=5`, { authorization: pager });
    const next = LIST + nextOf(first)?.search;
    const answer = await service.send('GET', next, { authorization: mary });
    assert.ok(answer.body.every(({ owner }: { owner: number }) => owner === ids.mary));
  });
  await t.test('no link where there is no more', async () => {
    const own = (await service.send('GET', LIST, { authorization: mary })).body.length;
    const exact = await service.send('GET', `${LIST}?limit=${own}`, { authorization: mary });
    assert.deepEqual([exact.body.length, exact.headers.link], [own, undefined]);
    const less = await service.send('GET', `${LIST}?limit=${own - 1}`, { authorization: mary });
    assert.ok(nextOf(less));
  });

  const INTEGER = { limit: ['A valid integer is required.'] };
  const LEAST = { limit: ['Ensure this value is greater than or equal to 1.'] };
  const MOST = { limit: ['Ensure this value is less than or equal to 1000.'] };
  const CURSOR = { cursor: ['Invalid cursor.'] };
  for (const [query, body] of [
    ['?limit=0', LEAST],
    ['?limit=-1', LEAST],
    ['?limit=1001', MOST],
    ['?limit=999999999999', MOST],
    ['?limit=', INTEGER],
    ['?limit', INTEGER],
    ['?limit=x', INTEGER],
    ['?limit=1.5', INTEGER],
    ['?limit=1e2', INTEGER],
    ['?limit=0x10', INTEGER],
    ['?limit=NaN', INTEGER],
    ['?limit=%00', INTEGER],
    ['?limit=5&limit=x', INTEGER],
    ['?cursor=', CURSOR],
    ['?cursor=x', CURSOR],
    ['?cursor=5', CURSOR],
    [`?cursor=${Buffer.from('["id","after",-1]').toString('base64url')}`, CURSOR],
    [`?cursor=${Buffer.from('["id","after","1 OR 1"]').toString('base64url')}`, CURSOR],
    [`?cursor=${Buffer.from(`["id","after",${'9'.repeat(30)}]`).toString('base64url')}`, CURSOR],
    [`?cursor=${'A'.repeat(5000)}`, CURSOR],
    ['?cursor=%00%ff', CURSOR],
  ] as const) {
    await t.test(`refused: ${query.slice(0, 40)}`, async () => {
      const answer = await service.send('GET', LIST + query, { authorization: pager });
      assert.deepEqual([answer.status, answer.body], [400, body]);
    });
  }
  await t.test('the repeated last one counts', async () => {
    assert.equal((await service.send('GET', `${LIST}?limit=x&limit=3`, { authorization: pager })).body.length, 3);
  });
  await t.test('a cursor beyond all ids is an empty page', async () => {
    const cursor = Buffer.from(JSON.stringify(['id', 'after', 2 ** 31])).toString('base64url');
    const answer = await service.send('GET', `${LIST}?cursor=${cursor}`, { authorization: pager });
    assert.deepEqual([answer.status, answer.body, nextOf(answer)], [200, [], undefined]);
  });

  for (const [what, target, host] of [
    ['empty', LIST, ''],
    ['no host name', LIST, 'a b'],
    ['a bracket', LIST, '['],
    ['a path', LIST, 'x/../y'],
    ['a user', LIST, 'a@b'],
    ['markup', LIST, '<x>"'],
    ['a port that is none', LIST, 'x:99999'],
    ['that of an absolute target', `http://x${LIST}`, 'x'],
  ] as const) {
    await t.test(`a Host header that is ${what} breaks no page`, async () => {
      const answer = await exchange(
        service.origin,
        `GET ${target}?limit=2 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nAuthorization: ${pager}\r\n\r\n`,
      );
      assert.ok([200, 400].includes(answer.status), `${answer.status} ${answer.text}`);
      if (answer.status === 200) assert.equal(nextOf(answer)?.pathname, LIST);
    });
  }
});
