import assert from 'node:assert/strict';
import { before, suite, type TestContext, test } from 'node:test';
import type { RouteOptions } from 'fastify';
import { obtainApiToken, type Scope } from '../../src/api-tokens.ts';
import { lifetimesOf, startSession } from '../../src/sessions.ts';
import {
  type Answer,
  buildWithRoutes,
  isOnPostgresql,
  PASSWORD,
  PASSWORD_HASH,
  SECRET_KEY,
  type SendOptions,
  type TestApp,
} from '../helper.ts';
import { claimsOf, forge } from '../plugins/helper-jwt.ts';
import { exchange, keepLine } from '../plugins/helper-socket.ts';
import { connect, type Raw } from '../src/helper.ts';

// The table: what each route needs, and what has it succeed.

interface Row {
  /** nothing; a credential that may do this; or one without bounds */
  needs: 'public' | Scope | 'full';
  /** of success */
  status: number;
  /** of a JWT where it is another */
  statusByJwt?: number;
  /** a body that has it succeed */
  json?: object | ((person: Person) => object | Promise<object>);
  /** fields that it refuses, and how */
  bad?: [json: object, body: object];
  /** what stands for `*` in its path */
  file?: string;
  /** Success takes so long that it is tried by few. */
  isSlow?: true;
}

const REQUIRED = ['This field is required.'];
const list: Row = { needs: 'todo:read', status: 200 };
const create: Row = {
  needs: 'todo:write',
  status: 201,
  json: { title: 'new' },
  bad: [{ title: ' ' }, { title: ['This field may not be blank.'] }],
};
const replace: Row = { needs: 'todo:write', status: 200, json: { title: 'other' }, bad: [{}, { title: REQUIRED }] };
const change: Row = {
  needs: 'todo:write',
  status: 200,
  json: { is_completed: true },
  bad: [{ is_completed: 'x' }, { is_completed: ['Must be a valid boolean.'] }],
};
const remove: Row = { needs: 'todo:write', status: 204 };
const logIn: Row = {
  needs: 'public',
  status: 200,
  json: ({ username }) => ({ username, password: PASSWORD }),
  bad: [{ username: 'x' }, { password: REQUIRED }],
  isSlow: true,
};
const page: Row = { needs: 'public', status: 200 };

const ROWS: Record<string, Row> = {
  'GET /api/v1/todo': list,
  'POST /api/v1/todo': create,
  'GET /api/v1/todo/{id}': list,
  'PUT /api/v1/todo/{id}': replace,
  'PATCH /api/v1/todo/{id}': change,
  'DELETE /api/v1/todo/{id}': remove,
  'POST /api/v1/todo/create': create,
  'PUT /api/v1/todo/update/{id}': replace,
  'PATCH /api/v1/todo/update/{id}': change,
  'DELETE /api/v1/todo/delete/{id}': remove,

  'GET /api/v1/tokens': { needs: 'full', status: 200 },
  'POST /api/v1/tokens': {
    needs: 'full',
    status: 201,
    // No later than the token that it is made with.
    json: () => ({ name: 'new', scopes: ['todo:read'], expires_at: new Date(Date.now() + 60_000) }),
    bad: [{ name: 'a', scopes: 'all' }, { scopes: ['"all" is not a valid choice.'] }],
  },
  'GET /api/v1/tokens/{id}': { needs: 'full', status: 200 },
  'DELETE /api/v1/tokens/{id}': { needs: 'full', status: 204 },
  // There is no token of the request where that is a JWT's.
  'DELETE /api/v1/tokens/current': { needs: 'full', status: 204, statusByJwt: 404 },

  'GET /api/v1/sessions': { needs: 'full', status: 200 },
  'DELETE /api/v1/sessions': { needs: 'full', status: 204 },
  'DELETE /api/v1/sessions/{id}': { needs: 'full', status: 204 },

  'GET /api/v1/users/me': { needs: 'full', status: 200 },
  'PATCH /api/v1/users/me': {
    needs: 'full',
    status: 200,
    json: { email: 'new@domain.com' },
    bad: [{ email: 'x' }, { email: ['Enter a valid email address.'] }],
  },
  'DELETE /api/v1/users/me': {
    needs: 'full',
    status: 204,
    json: { password: PASSWORD },
    bad: [{ password: 'x' }, { password: ['Invalid password.'] }],
  },
  'POST /api/v1/users/me/password': {
    needs: 'full',
    status: 204,
    json: { current_password: PASSWORD, new_password: 'granite-lantern-heron-84' },
    bad: [{ current_password: PASSWORD, new_password: '' }, { new_password: ['This field may not be blank.'] }],
  },
  'POST /api/v1/users': {
    needs: 'public',
    status: 201,
    json: () => ({ username: `registered${++registered}`, password: PASSWORD }),
    bad: [{ username: 'a' }, { password: REQUIRED }],
    isSlow: true,
  },

  'POST /api/token': logIn,
  'POST /api/jwt/token': logIn,
  'POST /api/jwt/token/refresh': {
    needs: 'public',
    status: 200,
    json: ({ refresh }) => ({ refresh }),
    bad: [{ refresh: '' }, { refresh: ['This field may not be blank.'] }],
  },
  'POST /api/jwt/token/verify': {
    needs: 'public',
    status: 200,
    json: ({ access }) => ({ token: access }),
    bad: [{ token: true }, { token: ['Not a valid string.'] }],
  },
  'POST /api/jwt/token/blacklist': {
    needs: 'public',
    status: 200,
    json: async ({ begin }) => ({ refresh: (await begin()).refresh }),
    bad: [{ access: 'x' }, { refresh: REQUIRED }],
  },
  'GET /.well-known/jwks.json': page,

  'GET /healthz': page,
  'GET /readyz': page,
  'GET /openapi.json': page,
  'GET /docs': page,
  'GET /docs/json': page,
  'GET /docs/yaml': page,
  'GET /docs/static/index.html': { ...page, status: 302 },
  'GET /docs/static/swagger-initializer.js': page,
  'GET /docs/static/*': { ...page, file: 'swagger-ui.css' },
};
let registered = 0;

// Who asks.

interface Person {
  id: number;
  /** on all that is theirs, as the title or the name of it */
  username: string;
  token: string;
  access: string;
  refresh: string;
  /** what the paths with an id name, of this user */
  todo: number;
  spareToken: number;
  spareSession: string;
  begin(): Promise<{ refresh: string; access: string }>;
  addToken(scopes?: Scope[] | null, expiresAt?: Date | null): Promise<string>;
}

interface Cast {
  paul: Person;
  john: Person;
  root: Person;
  inactive: Person;
  deleted: Person;
  expired: string;
  ended: string;
  renewed: string;
  endedAccess: string;
}

const NOT_FOUND = { detail: 'Not found.' };
const DENIED = { detail: 'You do not have permission to perform this action.' };
const NOT_PROVIDED = { detail: 'Authentication credentials were not provided.' };
const INVALID_TOKEN = { detail: 'Invalid token.' };
const BAD_BEARER = {
  detail: 'Authorization header must contain two space-delimited values',
  code: 'bad_authorization_header',
};
const refusedJwt = (message: string) => ({
  detail: 'Given token not valid for any token type',
  code: 'token_not_valid',
  messages: [{ token_class: 'AccessToken', token_type: 'access', message }],
});
const INVALID_JWT = refusedJwt('Token is invalid or expired');
const CHALLENGE = 'Token, Bearer realm="api"';

/** Credentials that open nothing: 401 with this body. */
const REFUSED: [what: string, authorization: (cast: Cast) => string | undefined, body: object][] = [
  ['none', () => undefined, NOT_PROVIDED],
  ['an empty header', () => '', NOT_PROVIDED],
  ['another scheme', ({ paul }) => `Basic ${btoa(`${paul.username}:${PASSWORD}`)}`, NOT_PROVIDED],
  ['a JWT by "bearer"', ({ paul }) => `bearer ${paul.access}`, NOT_PROVIDED],
  ['a token without its scheme', ({ paul }) => paul.token, NOT_PROVIDED],

  ['no token', () => 'Token', { detail: 'Invalid token header. No credentials provided.' }],
  [
    'two tokens',
    ({ paul, john }) => `Token ${paul.token} ${john.token}`,
    { detail: 'Invalid token header. Token string should not contain spaces.' },
  ],
  ['an unknown token', () => `Token ${'f'.repeat(40)}`, INVALID_TOKEN],
  ['a token in upper case', ({ paul }) => `Token ${paul.token.toUpperCase()}`, INVALID_TOKEN],
  ['a JWT as a token', ({ paul }) => `Token ${paul.access}`, INVALID_TOKEN],
  ['an expired token', ({ expired }) => `Token ${expired}`, INVALID_TOKEN],
  ['an ended token', ({ ended }) => `Token ${ended}`, INVALID_TOKEN],
  ['a default token that another replaced', ({ renewed }) => `Token ${renewed}`, INVALID_TOKEN],
  ['a token of an inactive user', ({ inactive }) => `Token ${inactive.token}`, { detail: 'User inactive or deleted.' }],
  ['a token of a deleted user', ({ deleted }) => `Token ${deleted.token}`, INVALID_TOKEN],

  ['no JWT', () => 'Bearer', BAD_BEARER],
  ['two JWTs', ({ paul, john }) => `Bearer ${paul.access} ${john.access}`, BAD_BEARER],
  ['a token as a JWT', ({ paul }) => `Bearer ${paul.token}`, INVALID_JWT],
  ['an expired JWT', ({ paul }) => `Bearer ${forge({ ...claimsOf(paul.access), exp: now() - 1 })}`, INVALID_JWT],
  ['a JWT with the user changed', ({ paul, john }) => `Bearer ${withUser(paul.access, john.id)}`, INVALID_JWT],
  ['a JWT of another key', ({ paul }) => `Bearer ${forge(claimsOf(paul.access), { secret: 'x' })}`, INVALID_JWT],
  ['a JWT without signature', ({ paul }) => `Bearer ${paul.access.replace(/[^.]+$/, '')}`, INVALID_JWT],
  [
    "a signed JWT of another's session",
    ({ paul, root }) => `Bearer ${forge({ ...claimsOf(paul.access), user_id: root.id })}`,
    INVALID_JWT,
  ],
  ['a refresh token', ({ paul }) => `Bearer ${paul.refresh}`, refusedJwt('Token has wrong type')],
  ['a JWT of an ended session', ({ endedAccess }) => `Bearer ${endedAccess}`, INVALID_JWT],
  [
    'a JWT of an inactive user',
    ({ inactive }) => `Bearer ${inactive.access}`,
    { detail: 'User is inactive', code: 'user_inactive' },
  ],
  ['a JWT of a deleted user', ({ deleted }) => `Bearer ${deleted.access}`, INVALID_JWT],
];

/** Credentials that hold, and their bounds. */
const ACCEPTED: [what: string, authorization: (person: Person) => string | Promise<string>, scopes: Scope[] | null][] =
  [
    ['the default token', ({ token }) => `Token ${token}`, null],
    ['a JWT', ({ access }) => `Bearer ${access}`, null],
    ['a token that expires', async ({ addToken }) => `Token ${await addToken(null, inAnHour())}`, null],
    ['a token to read', async ({ addToken }) => `Token ${await addToken(['todo:read'])}`, ['todo:read']],
    ['a token to write', async ({ addToken }) => `Token ${await addToken(['todo:write'])}`, ['todo:write']],
    [
      'a token to read and write',
      async ({ addToken }) => `Token ${await addToken(['todo:read', 'todo:write'])}`,
      ['todo:read', 'todo:write'],
    ],
  ];

const now = () => Math.floor(Date.now() / 1000);
const inAnHour = () => new Date(Date.now() + 3_600_000);

/** A token with another user in its payload, and its signature as it was. */
function withUser(token: string, user_id: number): string {
  const [header, , signature] = token.split('.');
  const payload = Buffer.from(JSON.stringify({ ...claimsOf(token), user_id })).toString('base64url');
  return [header, payload, signature].join('.');
}

// The service, and the routes that it really has.

interface Credential {
  what: string;
  authorization: string | undefined;
  /** where it opens nothing: the body of the 401 */
  refusal?: object;
  /** where it holds: whose it is, and its bounds */
  person?: Person;
  scopes?: Scope[] | null;
}

let service: TestApp;
let cast: Cast;
/** those that open nothing, and those of paul, of john and of a superuser */
let credentials: Credential[];
let routes: RouteOptions[];
let raw: Raw;
let tables: string[];

before(async (hook) => {
  const t = hook as TestContext;
  ({ routes, ...service } = await buildWithRoutes(t, { REGISTRATION: 'open' }));
  service.send = keepLine(t, service.origin).send;
  raw = connect(t, { DATABASE_URL: service.app.config.DATABASE_URL });
  const names = isOnPostgresql
    ? "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
    : "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
  tables = (await raw.select(names)).map(({ name }) => name);
  assert.ok(tables.length >= 6);
  cast = await makeCast();
  credentials = REFUSED.map(([what, authorize, refusal]) => ({ what, authorization: authorize(cast), refusal }));
  for (const person of [cast.paul, cast.john, cast.root]) {
    for (const [what, authorize, scopes] of ACCEPTED) {
      credentials.push({
        what: `${what} of ${person.username}`,
        authorization: await authorize(person),
        person,
        scopes,
      });
    }
  }
  // What was used just now is not noted again.
  await service.app.prisma.apiToken.updateMany({ data: { lastUsedAt: new Date() } });
});

let people = 0;

/** A user with one of each thing, made without the cost of a hash. */
async function makePerson({ isSuperuser = false } = {}): Promise<Person> {
  const { prisma, jwtCodec, config } = service.app;
  const username = `user${++people}`;
  const { id } = await prisma.user.create({ data: { username, password: PASSWORD_HASH, isSuperuser } });
  const login = { id, password: PASSWORD_HASH, isActive: true } as const;
  const begin = async () => {
    const pair = await startSession(prisma, jwtCodec, lifetimesOf(config), login, { userAgent: username, address: '' });
    assert.ok(pair);
    return pair;
  };
  const todo = { title: username, body: '', is_completed: false, date_created: '2026-11-23' };
  const [token, pair, spare, { id: todoId }] = await Promise.all([
    obtainApiToken(prisma, [SECRET_KEY], { id }).then(String),
    begin(),
    begin(),
    prisma.todo.add(id, todo),
  ]);
  const addToken = async (scopes: Scope[] | null = null, expires_at: Date | null = null) => {
    const options = { authorization: `Bearer ${pair.access}`, json: { name: username, scopes, expires_at } };
    const { status, body } = await service.send('POST', '/api/v1/tokens/', options);
    assert.equal(status, 201);
    return body;
  };
  return {
    id,
    username,
    token,
    ...pair,
    todo: todoId,
    spareToken: (await addToken()).id,
    spareSession: claimsOf(spare.access).sid,
    begin,
    addToken: async (...bounds) => (await addToken(...bounds)).token,
  };
}

async function makeCast(): Promise<Cast> {
  const { prisma, jwtCodec } = service.app;
  const [paul, john, inactive, deleted] = [
    await makePerson(),
    await makePerson(),
    await makePerson(),
    await makePerson(),
  ];
  const root = await makePerson({ isSuperuser: true });
  const renewed = paul.token;
  const ended = await paul.addToken();
  const { access: endedAccess } = await paul.begin();
  const expired = await paul.addToken(null, inAnHour());
  await Promise.all([
    prisma.apiToken.deleteMany({ where: { userId: paul.id, nonce: { not: null } } }),
    service.send('DELETE', '/api/v1/tokens/current/', { authorization: `Token ${ended}` }),
    service.send('DELETE', `/api/v1/sessions/${claimsOf(endedAccess).sid}/`, {
      authorization: `Bearer ${paul.access}`,
    }),
    prisma.apiToken.updateMany({ where: { expiresAt: { not: null } }, data: { expiresAt: new Date() } }),
    prisma.user.update({ where: { id: inactive.id }, data: { isActive: false } }),
    service.send('DELETE', '/api/v1/users/me/', {
      authorization: `Bearer ${deleted.access}`,
      json: { password: PASSWORD },
    }),
  ]);
  assert.equal(await prisma.user.count({ where: { id: deleted.id } }), 0);
  assert.ok(jwtCodec.verify(endedAccess));
  paul.token = String(await obtainApiToken(prisma, [SECRET_KEY], paul));
  return { paul, john, root, inactive, deleted, expired, ended, renewed, endedAccess };
}

/** All that is in the database, but for what has expired, which is deleted each minute. */
async function dump() {
  const dumped: Record<string, string[]> = {};
  for (const table of tables) {
    const rows: { expires_at?: string | number | Date | null }[] = await raw.select(`SELECT * FROM ${table}`);
    const lasting = rows.filter(({ expires_at }) => !expires_at || new Date(expires_at) > new Date());
    dumped[table] = lasting.map((row) => JSON.stringify(row)).sort();
  }
  return dumped;
}

/** Compares the database before and after. */
async function changesNothing(act: () => Promise<void>) {
  const before = await dump();
  await act();
  assert.deepEqual(await dump(), before);
}

/** Compares what is left without those who came meanwhile. */
async function changesNobodyElse(act: () => Promise<void>) {
  const { user } = service.app.prisma;
  const known = (await user.findMany({ select: { id: true } })).map(({ id }) => id);
  await changesNothing(async () => {
    await act();
    await user.deleteMany({ where: { id: { notIn: known } } });
  });
}

// `GET /docs/` and `GET /docs` are one; `:id(^\d+$)` is `{id}`.
const nameOf = (url: string) => url.replace(/:(\w+)(\([^)]*\))?/g, '{$1}').replace(/(?<=.)\/$/, '');
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

interface Operation extends Row {
  method: string;
  url: string;
}
const operations: Operation[] = Object.entries(ROWS).flatMap(([route, row]) => {
  const [method = '', url = ''] = route.split(' ');
  const operation = { ...row, method, url };
  return method === 'GET' ? [operation, { ...operation, method: 'HEAD' }] : [operation];
});
const urls = [...new Set(operations.map(({ url }) => url))];
const isTodo = (url: string) => url.startsWith('/api/v1/todo');
const allowOf = (url: string) =>
  METHODS.filter(
    (one) => one === 'OPTIONS' || operations.some(({ method, ...row }) => row.url === url && method === one),
  ).join(', ');

/** The path at which a route has this user's thing. */
function pathOf(
  { url, file = '' }: Pick<Operation, 'url' | 'file'>,
  person: Pick<Person, 'todo' | 'spareToken' | 'spareSession'>,
) {
  const { todo, spareToken, spareSession } = person;
  const id = url.includes('/sessions/') ? spareSession : url.includes('/tokens/') ? spareToken : todo;
  return url.replace('{id}', String(id)).replace('*', file);
}

const NOBODY = { todo: 2 ** 31 - 1, spareToken: 2 ** 31 - 1, spareSession: 'f'.repeat(32) };

async function jsonOf({ json }: Row, person: Person): Promise<SendOptions> {
  const value = typeof json === 'function' ? await json(person) : json;
  return value === undefined ? {} : { json: value };
}

/** What of an answer the tables tell. */
interface Wanted {
  status: number;
  body?: object | undefined;
  challenge?: string;
  allow?: string;
}

// So many are always admitted.
const AT_ONCE = 20;

/** Gives the answers to requests, of which so many go at once. */
async function sendAll(requests: { send: () => Promise<Answer> }[], atOnce = AT_ONCE): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < requests.length) {
    const next = requests.slice(answers.length, answers.length + atOnce);
    answers.push(...(await Promise.all(next.map(({ send }) => send()))));
  }
  return answers;
}

/** Sends each request and compares all at once, so that a failure tells every one that differs. */
async function compare(requests: { what: string; send: () => Promise<Answer>; wanted: Wanted }[], atOnce?: number) {
  const found: Record<string, unknown> = {};
  const expected: Record<string, unknown> = {};
  const answers = await sendAll(requests, atOnce);
  for (const [index, { what, wanted }] of requests.entries()) {
    const { status, body, headers } = answers[index] as Answer;
    found[what] = { status, body, challenge: headers['www-authenticate'], allow: headers.allow };
    expected[what] = { body: undefined, challenge: undefined, allow: undefined, ...wanted };
  }
  assert.equal(Object.keys(expected).length, requests.length);
  assert.deepEqual(found, expected);
}

/** A request with these credentials, or with no header for any. */
function sendBy(authorization: string | undefined, method: string, path: string, options: SendOptions = {}) {
  return service.send(method, path, authorization === undefined ? options : { ...options, authorization });
}

/** How a request for paul's thing is refused; undefined where it is let through. */
function refusalOf({ url, needs }: Operation, { refusal, person, scopes }: Credential): Wanted | undefined {
  const { paul, root } = cast;
  if (needs === 'public') return undefined;
  if (refusal) return { status: 401, body: refusal, challenge: CHALLENGE };
  if (scopes && !scopes.includes(needs as Scope)) return { status: 403, body: DENIED };
  // Another's is as what does not exist; but a superuser has the todos of all.
  const isShown = person === paul || (person === root && isTodo(url));
  return url.includes('{id}') && !isShown ? { status: 404, body: NOT_FOUND } : undefined;
}

/** Answers to HEAD have no body. */
const inFull = (method: string, wanted: Wanted) => (method === 'HEAD' ? { ...wanted, body: undefined } : wanted);

test('every route has a row, and every row a route', () => {
  const registered = routes
    // But for those that answer the methods that a URL does not have.
    .filter(({ config, schema }) => !(schema?.hide && (config as { scope?: string } | undefined)?.scope === 'any'))
    .flatMap(({ method, url }) => [method].flat().map((one) => `${one} ${nameOf(url)}`))
    .filter((route) => !route.startsWith('OPTIONS '));
  assert.deepEqual([...new Set(registered)].sort(), operations.map(({ method, url }) => `${method} ${url}`).sort());
});

suite('refused, and nothing is changed', () => {
  for (const operation of operations.filter(({ needs }) => needs !== 'public')) {
    const { method, url, needs } = operation;
    test(`${method} ${url}`, async () => {
      const path = pathOf(operation, cast.paul);
      const options = await jsonOf(operation, cast.paul);
      const requests = credentials.flatMap((credential) => {
        const { what, authorization } = credential;
        const wanted = refusalOf(operation, credential);
        return wanted
          ? { what, send: () => sendBy(authorization, method, path, options), wanted: inFull(method, wanted) }
          : [];
      });
      const count = (wanted: number) => requests.filter(({ wanted: { status } }) => status === wanted).length;
      assert.deepEqual([count(401), count(403)], [REFUSED.length, needs === 'full' ? 9 : 3]);
      await changesNothing(() => compare(requests));
    });
  }
});

test("another's thing is answered as one that does not exist, to the last header", async () => {
  const { paul, john, root } = cast;
  const visible = ({ status, text, headers }: Answer) => {
    const { date: _, 'x-request-id': __, ...others } = headers;
    return { status, text, others };
  };
  for (const operation of operations.filter(({ url }) => url.includes('{id}'))) {
    const { method, url } = operation;
    const options = await jsonOf(operation, paul);
    for (const person of isTodo(url) ? [john] : [john, root]) {
      for (const authorization of [`Token ${person.token}`, `Bearer ${person.access}`]) {
        const ask = (thing: typeof NOBODY) => sendBy(authorization, method, pathOf(operation, thing), options);
        assert.deepEqual(visible(await ask(paul)), visible(await ask(NOBODY)), `${method} ${url}`);
      }
    }
  }
});

suite('let through, and others are not touched', () => {
  for (const operation of operations.filter(({ needs }) => needs !== 'public')) {
    const { method, url, needs, status, statusByJwt = status } = operation;
    const accepted = ACCEPTED.filter(([, , scopes]) => !scopes || scopes.includes(needs as Scope));
    for (const isSuperuser of [false, true]) {
      test(`${method} ${url}, by a ${isSuperuser ? 'superuser' : 'user'}`, async () => {
        let person: Person | undefined;
        let owner: Person | undefined;
        await changesNobodyElse(async () => {
          for (const [what, authorize] of accepted) {
            // Who loses nothing can go on.
            const goesOn = method !== 'DELETE' && !url.endsWith('/password');
            person = goesOn && person ? person : await makePerson({ isSuperuser });
            if (!(isSuperuser && isTodo(url))) owner = person;
            else if (!goesOn || !owner) owner = await makePerson();
            const options = await jsonOf(operation, person);
            const answer = await sendBy(await authorize(person), method, pathOf(operation, owner), options);
            assert.equal(answer.status, what === 'a JWT' ? statusByJwt : status, `${what}: ${answer.text}`);
            assert.equal(answer.headers['www-authenticate'], undefined);
            if (method !== 'GET') continue;
            // Every thing has the name of its user on it.
            const shown = [...new Set(answer.text.match(/user\d+/g))];
            if (isSuperuser && url === '/api/v1/todo') assert.ok(shown.includes(cast.paul.username));
            else assert.deepEqual(shown, [owner.username]);
          }
        });
      });
    }
  }
});

suite('open, whatever the credentials', () => {
  for (const operation of operations.filter(({ needs }) => needs === 'public')) {
    const { method, url, status, bad, isSlow } = operation;
    test(`${method} ${url}`, async () => {
      await changesNobodyElse(async () => {
        const person = await makePerson();
        const path = pathOf(operation, person);
        const requests = credentials.map(({ authorization }, index) => ({
          send: async () => {
            const options = isSlow && bad && index % 10 > 0 ? { json: bad[0] } : await jsonOf(operation, person);
            return sendBy(authorization, method, path, options);
          },
        }));
        for (const [index, answer] of (await sendAll(requests)).entries()) {
          const wanted = isSlow && index % 10 > 0 ? 400 : status;
          assert.equal(answer.status, wanted, `${credentials[index]?.what}: ${answer.text}`);
          assert.equal(answer.headers['www-authenticate'], undefined);
        }
      });
    });
  }
});

suite('methods that a path does not have', () => {
  const parses = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'];
  for (const url of urls) {
    const own = operations.filter((operation) => operation.url === url);
    const isOwn = (method: string) => own.some((operation) => operation.method === method);
    const isProtected = own.some(({ needs }) => needs !== 'public');
    const answerTo = (method: string, { refusal }: Credential): Wanted => {
      // Files have a route of their own for the methods that they have, and nothing else.
      if (url.includes('*')) return { status: 404, body: NOT_FOUND };
      const allow = allowOf(url);
      if (method === 'OPTIONS') return { status: 200, body: { renders: ['application/json'], parses }, allow };
      if (isProtected && refusal) return { status: 401, body: refusal, challenge: CHALLENGE };
      return { status: 405, body: { detail: `Method "${method}" not allowed.` }, allow };
    };
    test(url, async () => {
      const path = pathOf(own[0] as Operation, cast.paul);
      const others = [...METHODS, 'PROPFIND'].filter((method) => !isOwn(method));
      const requests = credentials.flatMap((credential, index) =>
        // Where none are asked for, each is tried with one of the methods.
        (isProtected ? others : others.slice(index % others.length).slice(0, 1)).map((method) => ({
          what: `${method} by ${credential.what}`,
          send: () => sendBy(credential.authorization, method, path),
          wanted: inFull(method, answerTo(method, credential)),
        })),
      );
      await changesNothing(() => compare(requests));
    });
  }
});

test('paths that do not exist are 404, whatever the method and the credentials', async () => {
  const { paul } = cast;
  const paths = [
    '/',
    '/api/v1',
    '/api/v1/todo/x',
    `/api/v1/todo/${paul.todo}/x`,
    `/api/v1/todo/create/${paul.todo}`,
    '/api/v1/tokens/x',
    '/api/v1/sessions/1',
    `/api/v1/sessions/${paul.spareSession}0`,
    `/api/v1/users/${paul.id}`,
    '/api/v1/users/me/x',
    '/api/v1/users/me/password/x',
    '/api/token/x',
    '/api/jwt/token/x',
    '/API/v1/todo',
    '/.well-known',
    '/docs/x',
    '/admin',
  ];
  const requests = paths.flatMap((path) =>
    credentials.map(({ what, authorization }, index) => {
      const method = METHODS[index % METHODS.length] as string;
      return {
        what: `${method} ${path} by ${what}`,
        send: () => sendBy(authorization, method, path),
        wanted: inFull(method, { status: 404, body: NOT_FOUND }),
      };
    }),
  );
  await changesNothing(() => compare(requests));
});

// Each request has this fault and all that come after it: the first has the word.
suite('the order of faults', () => {
  const OTHER_TYPE = { headers: { 'content-type': 'text/plain' }, body: 'x' };
  const MALFORMED = { headers: { 'content-type': 'application/json' }, body: '{' };
  for (const operation of operations.filter(({ method, url }) => method !== 'HEAD' && !url.includes('*'))) {
    const { method, url, needs, json, bad } = operation;
    const hasId = url.includes('{id}');
    const unauthorized = { status: 401, body: INVALID_TOKEN, challenge: CHALLENGE };
    const notAllowed = { status: 405, body: { detail: 'Method "PROPFIND" not allowed.' }, allow: allowOf(url) };
    const otherType = { status: 415, body: { detail: 'Unsupported media type "text/plain" in request.' } };
    test(`${method} ${url}`, async () => {
      const { paul, expired } = cast;
      const known = pathOf(operation, paul);
      const unknown = pathOf(operation, NOBODY);
      const refused = `Token ${expired}`;
      const good = `Token ${paul.token}`;
      const bounded = credentials.find(({ person, scopes }) => {
        return person === paul && scopes && !scopes.includes(needs as Scope);
      })?.authorization;
      const at = (what: string, wanted: Wanted, ...request: Parameters<typeof sendBy>) => ({
        what,
        send: () => sendBy(...request),
        wanted,
      });
      const steps = [
        at('path', { status: 404, body: NOT_FOUND }, refused, 'PROPFIND', `${known}/x/x`, OTHER_TYPE),
        at('method', notAllowed, good, 'PROPFIND', unknown, OTHER_TYPE),
      ];
      if (needs !== 'public') {
        steps.push(
          at('credentials before the method', unauthorized, refused, 'PROPFIND', unknown, OTHER_TYPE),
          at('credentials before the scope', unauthorized, refused, method, unknown, OTHER_TYPE),
          at('scope', { status: 403, body: DENIED }, bounded, method, unknown, OTHER_TYPE),
        );
      }
      const fields = bad ? { json: bad[0] } : {};
      if (hasId) steps.push(at('id', { status: 404, body: NOT_FOUND }, good, method, unknown, fields));
      if (bad) {
        steps.push(
          at('type of the body', otherType, good, method, unknown, OTHER_TYPE),
          at('fields', { status: 400, body: bad[1] }, good, method, known, fields),
        );
      }
      assert.equal(json === undefined, bad === undefined);
      await changesNothing(async () => {
        // After some the connection is closed.
        await compare(steps, 1);
        if (!bad) return;
        const malformed = await sendBy(good, method, unknown, MALFORMED);
        assert.equal(malformed.status, 400);
        assert.match(malformed.body.detail, /^JSON parse error - /);
        const large = await exchange(
          service.origin,
          `${method} ${unknown} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${good}\r\n`,
          'Content-Type: application/json\r\nContent-Length: 9999999\r\n\r\n',
        );
        assert.deepEqual([large.status, large.body], [413, { detail: 'Request body is too large.' }]);
      });
    });
  }
});
