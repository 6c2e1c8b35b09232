import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { digestApiToken } from '../../src/api-token-keys.ts';
import { type Answer, addUser, build, enter, logIn, PASSWORD } from '../helper.ts';
import { claimsOf, forge } from '../plugins/helper-jwt.ts';
import { keepLine } from '../plugins/helper-socket.ts';

const REQUIRED = ['This field is required.'];
const NEW_PASSWORD = 'quiet-lantern-walrus-92';
const BEGINNING = Date.now() - 1000;

const context = { after: after as TestContext['after'] };
const service = await build(context, { REGISTRATION: 'open' });
service.send = keepLine(context, service.origin).send;
const { prisma } = service.app;
const { id: paulId } = await addUser(service, 'paul');
const { id: johnId } = await addUser(service, 'john');
const paul = await logIn(service, 'paul');
const bearer = `Bearer ${paul.access}`;
const session = claimsOf(paul.refresh).sid;

const stored = { body: 'given', isCompleted: true, dateCreated: '2020-01-02' };
const mine = await prisma.todo.create({ data: { ownerId: paulId, title: 'mine', ...stored } });
await prisma.todo.create({ data: { ownerId: johnId, title: 'his', ...stored } });

// What nobody may give, and what the attack would like it to be.
const PAST = '2001-02-03T04:05:06Z';
const HEX = '0'.repeat(40);
const WANTED: Record<string, unknown> = {
  ...{ id: 424_242, pk: 424_242, owner: johnId, owner_id: johnId, ownerId: johnId },
  ...{ user: johnId, user_id: johnId, userId: johnId, username: 'attack', email: 'attack@domain.com' },
  ...{ password: 'attack', new_password: 'attack', name: 'attack', title: 'attack', refresh: 'attack', token: HEX },
  ...{ is_superuser: true, isSuperuser: true, is_staff: true, is_active: false, isActive: false, version: 99 },
  ...{ created_at: PAST, createdAt: PAST, updated_at: PAST, updatedAt: PAST, last_modified: '2001-02-03' },
  ...{ date_joined: PAST, dateJoined: PAST, last_login: PAST, lastLogin: PAST, last_refreshed_at: PAST },
  ...{ last_used_at: PAST, lastUsedAt: PAST, refreshedAt: PAST, expires_at: PAST, expiresAt: PAST, exp: 9e9, iat: 0 },
  ...{ isCompleted: false, dateCreated: '2001-02-03', digest: digestApiToken(HEX), nonce: HEX, key: HEX },
  ...{ sid: HEX, jti: HEX, refreshJti: HEX, previousJti: HEX, token_type: 'refresh', scopes: 'todo:read' },
  ...{ address: '192.0.2.1', user_agent: 'attack', userAgent: 'attack', is_default: true, is_current: true },
  ...{ credential: { kind: 'session', id: 1 }, data: { isSuperuser: true }, where: { id: johnId }, select: {} },
  ...{ todos: { deleteMany: {} }, apiTokens: { deleteMany: {} }, sessions: { deleteMany: {} } },
};

// What every object has already.
const INHERITED = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf', 'toJSON'],
  ...['__defineGetter__', '__defineSetter__', '__lookupGetter__', '__lookupSetter__', 'then', 'length', ''],
];
const POLLUTING_MEMBERS = [
  '"__proto__": {"polluted": true, "isSuperuser": true, "ownerId": 424242, "title": "polluted"}',
  '"constructor": {"prototype": {"polluted": true}, "polluted": true}',
  '"a": {"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
  '"b": [{"__proto__": {"polluted": true}}]',
  '"\\u005f_proto__": {"polluted": true}',
  '"__proto__": null',
  '"__proto__": 5',
];
const POLLUTING_NAMES = [
  ...['__proto__[polluted]', '__proto__.polluted', '__proto__[polluted][]', '[__proto__][polluted]', '__proto__[]'],
  ...[
    'constructor[prototype][polluted]',
    'constructor.prototype.polluted',
    'constructor[polluted]',
    '__proto__[title]',
  ],
  ...['a[__proto__][polluted]', 'a[constructor][prototype][polluted]', 'a.__proto__.polluted', 'a[__proto__]'],
  ...[
    '__pro__proto__to__[polluted]',
    '__proto__[isSuperuser]',
    'owner[id]',
    'owner[connect][id]',
    'title[]',
    'title[0]',
  ],
];

/** What is given to each name that clients may not give. */
const VALUES: [what: string, give: (name: string) => unknown][] = [
  ['what it wants', (name) => (Object.hasOwn(WANTED, name) ? WANTED[name] : 'polluted')],
  ['true', () => true],
  ['the id of another', () => johnId],
  ['null', () => null],
  ['a list', () => [johnId]],
  ['an object', () => ({ set: true, connect: { id: johnId }, increment: 5, polluted: true })],
];

type Pair = [name: string, value: unknown];
const toText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const part = (name: string, value: unknown, filename = '') =>
  `--b\r\nContent-Disposition: form-data; name="${name}"${filename}\r\n\r\n${toText(value)}\r\n`;
const POLLUTING_PAIRS = POLLUTING_NAMES.map((name): Pair => [name, 'polluted']);

const ENCODINGS: [what: string, type: string, encode: (given: Pair[], attack: Pair[]) => string][] = [
  [
    'JSON',
    'application/json',
    (given, attack) => {
      const members = [...given, ...attack].map((pair) => pair.map((text) => JSON.stringify(text)).join(': '));
      return `{${[...members, ...POLLUTING_MEMBERS].join(', ')}}`;
    },
  ],
  [
    'a form',
    'application/x-www-form-urlencoded',
    (given, attack) => {
      const form = new URLSearchParams();
      for (const [name, value] of [...given, ...attack, ...POLLUTING_PAIRS]) form.append(name, toText(value));
      return form.toString();
    },
  ],
  [
    'multipart',
    'multipart/form-data; boundary=b',
    (given, attack) =>
      `${[...given, ...attack, ...POLLUTING_PAIRS].map(([name, value]) => part(name, value)).join('')}--b--\r\n`,
  ],
  [
    'files',
    'multipart/form-data; boundary=b',
    (given, attack) => {
      const files = [...attack, ...POLLUTING_PAIRS].map(([name, value]) => part(name, value, '; filename="a"'));
      return `${given.map(([name, value]) => part(name, value)).join('')}${files.join('')}--b--\r\n`;
    },
  ],
];

type Row = Record<string, unknown>;
type Rows = Map<string, Row>;

/** Every row of the database, under its table and key. */
async function readRows(): Promise<Rows> {
  const reading: [string, Promise<Row[]>][] = [
    ['user', prisma.user.findMany()],
    ['apiToken', prisma.apiToken.findMany()],
    ['session', prisma.session.findMany()],
    ['todo', prisma.todo.findMany()],
    ['rateLimit', prisma.rateLimit.findMany()],
    ['idempotencyKey', prisma.idempotencyKey.findMany()],
  ];
  const tables = await Promise.all(reading.map(async ([table, rows]): Promise<[string, Row[]]> => [table, await rows]));
  return new Map(tables.flatMap(([table, rows]) => rows.map((row) => [`${table} ${row.id ?? row.key}`, row])));
}

/** What became of the database: columns that changed, by row; rows that are new, by table; rows that are gone. */
interface Outcome {
  changed: Record<string, string[]>;
  created: Record<string, Row>;
  removed: string[];
}

function compare(before: Rows, now: Rows): Outcome {
  const columns = (key: string, row: Row) =>
    Object.keys(row).filter((column) => toText(row[column]) !== toText(before.get(key)?.[column]));
  const kept = [...now]
    .filter(([key]) => before.has(key))
    .map(([key, row]): [string, string[]] => [key, columns(key, row)]);
  const made = [...now].filter(([key]) => !before.has(key));
  return {
    changed: Object.fromEntries(kept.filter(([, changed]) => changed.length > 0)),
    created: Object.fromEntries(made.map(([key, row]) => [key.split(' ')[0], withoutMade(row)])),
    removed: [...before.keys()].filter((key) => !now.has(key)).sort(),
  };
}

/** A new row without what the service alone fills in, which is nothing that the attack wanted. */
function withoutMade(row: Row): Row {
  const { id, password, nonce, createdAt, updatedAt, dateJoined, ...rest } = row;
  for (const time of [createdAt, updatedAt, dateJoined]) {
    if (time !== undefined) assert.ok((time as Date).getTime() >= BEGINNING, String(time));
  }
  for (const value of [id, password, nonce]) assert.ok(![424_242, 'attack', HEX].includes(value as never));
  return rest;
}

const KINDS = [Object, Array, Function, String, Number, Boolean, Date, RegExp, Map, Set, Promise, Error, Buffer];
/** Whatever a polluted prototype would show in: of each property its name, value and accessors, themselves. */
const describePrototypes = () =>
  KINDS.flatMap((kind) => [kind, kind.prototype]).flatMap((thing) =>
    Reflect.ownKeys(thing).flatMap((key) => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(thing, key) as PropertyDescriptor;
      return [key, value, get, set];
    }),
  );
const unpolluted = describePrototypes();

/** A request by which something is written. */
interface Attempt {
  /** the declared fields; undefined where one is not given here */
  fields: Record<string, string | undefined>;
  authorization?: string;
  status: number;
  outcome: (answer: Answer) => Partial<Outcome>;
}
interface Writer {
  operationId: string;
  method: string;
  path: string;
  /** the `n`th attempt, before which it makes what it needs */
  attempt: (n: number) => Attempt | Promise<Attempt>;
  /** it hashes passwords, which takes its time */
  isCostly?: true;
}

const everyField = (n: number) => ({
  title: `given ${n}`,
  body: 'given',
  is_completed: 'on',
  date_created: '2020-01-02',
});
const titleAlone = (n: number) => ({
  ...everyField(n),
  body: undefined,
  is_completed: undefined,
  date_created: undefined,
});

const createTodo = async (n: number): Promise<Attempt> => {
  // The fewer there are, the sooner they are compared.
  await prisma.todo.deleteMany({ where: { title: { startsWith: 'given' }, id: { not: mine.id } } });
  return {
    fields: everyField(n),
    authorization: bearer,
    status: 201,
    outcome: () => ({ created: { todo: { ownerId: paulId, title: `given ${n}`, ...stored, version: 1 } } }),
  };
};
const changeTodo =
  (fields: (n: number) => Attempt['fields']) =>
  async (n: number): Promise<Attempt> => {
    await prisma.todo.update({ where: { id: mine.id }, data: { version: 7, updatedAt: new Date(BEGINNING) } });
    return {
      fields: fields(n),
      authorization: bearer,
      status: 200,
      outcome: ({ body }) => {
        assert.deepEqual([body.id, body.owner], [mine.id, paulId]);
        return { changed: { [`todo ${mine.id}`]: ['title', 'updatedAt', 'version'] } };
      },
    };
  };

/** A user for one attempt, and the keys of what is theirs. */
async function makeUser(n: number) {
  const username = `own${n}`;
  const { id } = await addUser(service, username);
  const credentials = await enter(service, id);
  const [apiToken, session] = [
    await prisma.apiToken.findFirstOrThrow({ where: { userId: id } }),
    await prisma.session.findFirstOrThrow({ where: { userId: id } }),
  ];
  const [tokens, sessions] = [[`apiToken ${apiToken.id}`], [`session ${session.id}`]];
  return { id, ...credentials, user: `user ${id}`, tokens, sessions };
}

const WRITERS: Writer[] = [
  { operationId: 'createTodo', method: 'POST', path: '/api/v1/todo/', attempt: createTodo },
  { operationId: 'createTodoAtOriginalPath', method: 'POST', path: '/api/v1/todo/create/', attempt: createTodo },
  ...(['', 'AtOriginalPath'] as const).flatMap((where): Writer[] => {
    const path = `/api/v1/todo/${where && 'update/'}${mine.id}/`;
    return [
      { operationId: `replaceTodo${where}`, method: 'PUT', path, attempt: changeTodo(everyField) },
      { operationId: `changeTodo${where}`, method: 'PATCH', path, attempt: changeTodo(titleAlone) },
    ];
  }),
  {
    operationId: 'createToken',
    method: 'POST',
    path: '/api/v1/tokens/',
    attempt: async (n) => {
      await prisma.apiToken.deleteMany({ where: { userId: paulId, nonce: null } });
      return {
        fields: { name: `given ${n}`, scopes: undefined, expires_at: undefined },
        authorization: bearer,
        status: 201,
        outcome: ({ body }) => {
          const digest = digestApiToken(body.token);
          const unset = { scopes: null, lastUsedAt: null, expiresAt: null };
          return { created: { apiToken: { userId: paulId, name: `given ${n}`, digest, ...unset } } };
        },
      };
    },
  },
  {
    operationId: 'changeAccount',
    method: 'PATCH',
    path: '/api/v1/users/me/',
    attempt: (n) => ({
      fields: { email: `given${n}@domain.com` },
      authorization: bearer,
      status: 200,
      outcome: () => ({ changed: { [`user ${paulId}`]: ['email'] } }),
    }),
  },
  {
    operationId: 'refreshJwt',
    method: 'POST',
    path: '/api/jwt/token/refresh/',
    attempt: async () => {
      await prisma.session.update({ where: { id: session }, data: { refreshedAt: null } });
      return {
        fields: { refresh: paul.refresh },
        status: 200,
        outcome: ({ body }) => {
          const { user_id, sid, token_type } = claimsOf(body.access);
          assert.deepEqual([user_id, sid, token_type], [paulId, session, 'access']);
          return { changed: { [`session ${session}`]: ['refreshedAt'] } };
        },
      };
    },
  },
  {
    operationId: 'verifyJwt',
    method: 'POST',
    path: '/api/jwt/token/verify/',
    attempt: () => ({ fields: { token: paul.access }, status: 200, outcome: () => ({}) }),
  },
  {
    operationId: 'register',
    method: 'POST',
    path: '/api/v1/users/',
    isCostly: true,
    attempt: (n) => ({
      fields: { username: `given${n}`, email: `given${n}@domain.com`, password: PASSWORD },
      status: 201,
      outcome: () => {
        const given = { username: `given${n}`, email: `given${n}@domain.com` };
        return { created: { user: { ...given, isActive: true, isSuperuser: false, lastLogin: null } } };
      },
    }),
  },
  {
    operationId: 'changePassword',
    method: 'POST',
    path: '/api/v1/users/me/password/',
    isCostly: true,
    attempt: async (n) => {
      const { access, user, tokens } = await makeUser(n);
      return {
        fields: { current_password: PASSWORD, new_password: NEW_PASSWORD },
        authorization: `Bearer ${access}`,
        status: 204,
        outcome: () => ({ changed: { [user]: ['password'] }, removed: tokens }),
      };
    },
  },
  {
    operationId: 'deleteAccount',
    method: 'DELETE',
    path: '/api/v1/users/me/',
    isCostly: true,
    attempt: async (n) => {
      const { access, user, tokens, sessions } = await makeUser(n);
      return {
        fields: { password: PASSWORD },
        authorization: `Bearer ${access}`,
        status: 204,
        outcome: () => ({ removed: [...tokens, ...sessions, user] }),
      };
    },
  },
  {
    operationId: 'obtainToken',
    method: 'POST',
    path: '/api/token/',
    isCostly: true,
    attempt: async (n) => {
      const { id, user } = await makeUser(n);
      await prisma.apiToken.deleteMany({ where: { userId: id } });
      return {
        fields: { username: `own${n}`, password: PASSWORD },
        status: 200,
        outcome: ({ body }) => {
          const digest = digestApiToken(body.token);
          const unset = { scopes: null, lastUsedAt: null, expiresAt: null };
          const apiToken = { userId: id, name: 'default', digest, ...unset };
          return { changed: { [user]: ['lastLogin'] }, created: { apiToken } };
        },
      };
    },
  },
  {
    operationId: 'obtainJwtPair',
    method: 'POST',
    path: '/api/jwt/token/',
    isCostly: true,
    attempt: async (n) => {
      const { id, user } = await makeUser(n);
      return {
        fields: { username: `own${n}`, password: PASSWORD },
        status: 200,
        outcome: ({ body }) => {
          const { jti, exp } = claimsOf(body.refresh);
          assert.equal(claimsOf(body.access).user_id, id);
          const unset = { previousJti: null, refreshedAt: null, userAgent: '' };
          const made = { userId: id, refreshJti: jti, expiresAt: new Date(exp * 1000), ...unset, address: '127.0.0.1' };
          return { changed: { [user]: ['lastLogin'] }, created: { session: made } };
        },
      };
    },
  },
  {
    operationId: 'blacklistJwt',
    method: 'POST',
    path: '/api/jwt/token/blacklist/',
    isCostly: true,
    attempt: async (n) => {
      const { refresh, sessions } = await makeUser(n);
      return { fields: { refresh }, status: 200, outcome: () => ({ removed: sessions }) };
    },
  },
];

test('every operation that reads a body is here', async () => {
  const { body } = await service.send('GET', '/openapi.json');
  const operations = Object.values(body.paths as Record<string, Record<string, Row>>).flatMap(Object.values);
  const reading = operations.filter(({ requestBody }) => requestBody).map(({ operationId }) => operationId);
  assert.deepEqual(WRITERS.map(({ operationId }) => operationId).sort(), reading.sort());
});

let n = 0;
for (const { operationId, method, path, attempt, isCostly } of WRITERS) {
  test(`${operationId}: nothing but the declared fields is taken`, async (t) => {
    for (const [what, type, encode] of ENCODINGS) {
      for (const [value, give] of isCostly ? VALUES.slice(0, 1) : VALUES) {
        await t.test(`${what}, ${value}`, async () => {
          const { fields, authorization, status, outcome } = await attempt(++n);
          const given = Object.entries(fields).filter(([, text]) => text !== undefined);
          const names = [...Object.keys(WANTED), ...INHERITED].filter((name) => !Object.hasOwn(fields, name));
          const before = await readRows();
          const answer = await service.send(method, path, {
            headers: { 'content-type': type },
            body: encode(
              given,
              names.map((name) => [name, give(name)]),
            ),
            ...(authorization && { authorization }),
          });
          assert.equal(answer.status, status, answer.text);
          const expected = { changed: {}, created: {}, removed: [], ...outcome(answer) };
          assert.deepEqual(compare(before, await readRows()), { ...expected, removed: [...expected.removed].sort() });
          assert.deepEqual(describePrototypes(), unpolluted);
        });
      }
    }
  });
}

test('a change counts as one, and now', async () => {
  const { version, updatedAt } = await prisma.todo.findUniqueOrThrow({ where: { id: mine.id } });
  assert.equal(version, 8);
  assert.ok(updatedAt.getTime() > BEGINNING);
});

const json = 'application/json';
const form = 'application/x-www-form-urlencoded';
const multipart = 'multipart/form-data; boundary=b';
// The title is not where a client may give it.
const hidden: [what: string, type: string, body: string][] = [
  ['in a prototype', json, '{"__proto__": {"title": "a"}}'],
  ['in a prototype, beside a number', json, '{"__proto__": {"title": "a"}, "n": 1.0}'],
  ['in the prototype of a prototype', json, '{"__proto__": {"__proto__": {"title": "a"}}}'],
  ['in the prototype of the constructor', json, '{"constructor": {"prototype": {"title": "a"}}}'],
  ['in another object', json, '{"data": {"title": "a"}}'],
  ['in upper case', json, '{"Title": "a", "TITLE": "a"}'],
  ['with white space', json, '{"title ": "a", " title": "a", "title\\u0000": "a"}'],
  ['with look-alike letters', json, '{"tit\\u04cfe": "a", "\\uff54itle": "a"}'],
  ['in brackets', form, 'title[]=a&title[0]=a&[title]=a&a[title]=a'],
  ['in a prototype', form, '__proto__[title]=a&__proto__.title=a&constructor[prototype][title]=a'],
  ['with white space', form, 'title+=a&+title=a&title%00=a'],
  ['after a semicolon', form, 'a=b;title=a'],
  ['in brackets', multipart, `${part('title[]', 'a')}${part('a[title]', 'a')}--b--\r\n`],
  ['in a prototype', multipart, `${part('__proto__[title]', 'a')}${part('__proto__', 'title')}--b--\r\n`],
  ['in a name in quotes', multipart, `${part('a"; name="title', 'a').replace('name="a"', 'name="a')}--b--\r\n`],
];
for (const [what, type, body] of hidden) {
  test(`a field is not given ${what}: ${body.slice(0, 60)}`, async () => {
    const before = await readRows();
    const headers = { 'content-type': type };
    const created = await service.send('POST', '/api/v1/todo/', { headers, body, authorization: bearer });
    assert.deepEqual([created.status, created.body], [400, { title: REQUIRED }]);
    const changed = await service.send('PATCH', `/api/v1/todo/${mine.id}/`, { headers, body, authorization: bearer });
    assert.equal(changed.status, 200, changed.text);
    assert.equal(changed.body.title, before.get(`todo ${mine.id}`)?.title);
    assert.deepEqual(describePrototypes(), unpolluted);
  });
}

test('names of objects in a query, a cookie and a JWT', async (t) => {
  const list = (query: string, headers: Record<string, string> = {}, authorization = bearer) =>
    service.send('GET', `/api/v1/todo/${query}`, { headers, authorization });
  const plain = (await list('')).body;
  const queries = [...INHERITED, ...POLLUTING_NAMES].map((name) => `${encodeURIComponent(name)}=1`);
  for (const query of [...queries, queries.join('&'), '__proto__[limit]=1', 'constructor[limit]=1', 'limit[]=1']) {
    await t.test(`?${query.slice(0, 60)}`, async () => {
      const answer = await list(`?${query}`);
      assert.deepEqual([answer.status, answer.body], [200, plain]);
    });
  }
  await t.test('in a cookie', async () => {
    const cookie = '__proto__=1; __proto__[polluted]=1; constructor.prototype.polluted=1';
    assert.deepEqual((await list('', { cookie })).body, plain);
  });
  const claims = claimsOf(paul.access);
  const odd = JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}');
  await t.test('beside the claims', async () => {
    assert.deepEqual((await list('', {}, `Bearer ${forge({ ...odd, ...claims }, { header: odd })}`)).body, plain);
  });
  for (const [what, token] of [
    ['for the claims', forge(Object.defineProperty({}, '__proto__', { value: claims, enumerable: true }))],
    ['for the user', forge({ ...claims, user_id: odd })],
    ['for the session', forge({ ...claims, sid: odd })],
    ['for the algorithm', forge(claims, { header: { alg: '__proto__' } })],
    ['for the algorithm, another', forge(claims, { header: { alg: 'constructor' } })],
  ] as const) {
    await t.test(what, async () => {
      assert.equal((await list('', {}, `Bearer ${token}`)).status, 401);
    });
  }
  assert.deepEqual(describePrototypes(), unpolluted);
});
