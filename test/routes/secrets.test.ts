import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { databasePath, openDatabase } from '../../src/database/index.ts';
import { createUser } from '../../src/users.ts';
import {
  type Answer,
  administrate,
  configure,
  isOnPostgresql,
  makeDatabase,
  type SendOptions,
  send,
  temporaryDirectory,
} from '../helper.ts';
import { forge } from '../plugins/helper-jwt.ts';
import { type Algorithm, makeKeyFile } from '../plugins/helper-jwt-keys.ts';
import { END, exchange } from '../plugins/helper-socket.ts';
import { connect, type Raw, startServer } from '../src/helper.ts';

// The search.

/** Secrets by their value, each with what it is. */
type Secrets = Map<string, string>;

/** A secret; of a JWT the parts, too. */
function add(secrets: Secrets, what: string, value: string) {
  const [, payload, signature, ...others] = value.split('.');
  secrets.set(value, what);
  if (payload && signature && others.length === 0) secrets.set(payload, what).set(signature, `${what}, its signature`);
}

/** A secret in each form that it could have come in, and its halves, for where it is cut off. */
function formsOf(secret: string): Buffer[] {
  const bytes = Buffer.from(secret);
  const half = Math.floor(secret.length / 2);
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('base64').slice(0, -4),
    bytes.toString('base64url').slice(0, -4),
    ...(half < 12 ? [] : [secret.slice(0, half), secret.slice(half)]),
  ];
  return [Buffer.from(secret, 'latin1'), ...[...new Set(forms)].map((form) => Buffer.from(form))];
}

const known = new Map<string, Buffer[]>();

/** Which of the secrets are in there, in whatever form. */
function find(secrets: Secrets, bytes: Buffer): string[] {
  const isThere = (value: string) => {
    const forms = known.get(value) ?? formsOf(value);
    known.set(value, forms);
    return forms.some((form) => bytes.includes(form));
  };
  return [...secrets].filter(([value]) => isThere(value)).map(([, what]) => what);
}

test('the search finds a secret in every form', () => {
  const value = `${random()}"é/+?>~`;
  const secrets: Secrets = new Map([[value, 'planted']]);
  const forms = formsOf(value);
  assert.equal(forms.length, 9);
  for (const form of forms) {
    assert.deepEqual(find(secrets, Buffer.concat([Buffer.from('before'), form, Buffer.from('after')])), ['planted']);
  }
  const jwt = forge({ user_id: 1 });
  add(secrets, 'a JWT', jwt);
  assert.deepEqual(find(secrets, Buffer.from(`{"msg":"${jwt.split('.')[2]}"}`)), ['a JWT, its signature']);
  assert.deepEqual(find(secrets, Buffer.from('nothing')), []);
});

function random(): string {
  return randomBytes(24).toString('base64url');
}

// The tour: what clients do, rightly and wrongly.

interface More {
  /** the Authorization header */
  by?: string;
  headers?: Record<string, string>;
  json?: unknown;
  /** a body with its type */
  body?: [type: string, text: string];
  /** the secrets that the answer is there to give, by its fields */
  gives?: Partial<Record<'token' | 'access' | 'refresh', string>>;
}

/** `<name>` stands for the secret of that name. A request is a method and a path, or all of its bytes. */
type Step = [what: string, status: number, request: string, more?: More | typeof END];

const FORM = 'application/x-www-form-urlencoded';
const MULTIPART = 'multipart/form-data; boundary=b';
const part = (name: string, value: string) =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const paul = { username: 'paul', password: '<of paul>' };
const nobody = { username: '<mistyped>', password: '<mistyped>' };
const parts = part('username', 'paul') + part('password', '<of paul>');
const query = '?username=paul&password=<of paul>';

const logIns = (path: string, refused: number, gives: More['gives'] = {}): Step[] => [
  ['a login', 200, `POST ${path}`, { json: paul, gives }],
  ['by a form', 200, `POST ${path}`, { body: [FORM, query.slice(1)], gives }],
  ['by multipart', 200, `POST ${path}`, { body: [MULTIPART, `${parts}--b--\r\n`], gives }],
  ['a wrong password', refused, `POST ${path}`, { json: { ...paul, password: '<wrong>' } }],
  ['the password in place of the name', refused, `POST ${path}`, { json: nobody }],
  ['and no password', 400, `POST ${path}`, { json: { username: '<of paul>' } }],
  ['a list', 400, `POST ${path}`, { json: ['paul', '<of paul>'] }],
  ['in an object', 400, `POST ${path}`, { json: { username: 'paul', password: { value: '<of paul>' } } }],
  ['with NUL', 400, `POST ${path}`, { json: { username: 'paul', password: '<of paul>\0' } }],
  ['in the query', 400, `POST ${path}${query}`],
  ['by GET', 405, `GET ${path}${query}`],
  ['by Basic', 400, `POST ${path}`, { by: 'Basic <basic>' }],
  ['in JSON cut short', 400, `POST ${path}`, { body: ['application/json', '{"password":"<of paul>'] }],
  ['in JSON without quotes', 400, `POST ${path}`, { body: ['application/json', '{"password":<of paul>}'] }],
  ['alone', 400, `POST ${path}`, { body: ['application/json', '<short>'] }],
  ['in multipart cut short', 400, `POST ${path}`, { body: [MULTIPART, parts] }],
  ['in multipart without a boundary', 400, `POST ${path}`, { body: ['multipart/form-data', parts] }],
  ['in text', 415, `POST ${path}`, { body: ['text/plain', '<of paul>'] }],
  [
    'in a large body',
    413,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 999999\r\n\r\n{"password":"<of paul>"`,
  ],
  [
    'in a body cut short',
    400,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"password":"<of paul>"`,
    END,
  ],
  [
    'in a chunk that is none',
    400,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n<of paul>\r\n`,
  ],
];

/** Credentials where they should not be, or not so. */
const strays: Step[] = [
  ...['Token <token> <token>', 'Token "<token>"', 'Token <token>,', 'Token <token>\xff', 'Token=<token>', '<token>'],
  ...['Bearer <token>', 'Token <access>', 'bearer <access>', 'Bearer <access> <access>', 'Bearer <access>x'],
  ...['Bearer <refresh>', 'Bearer <forged>', 'Bearer <expired>', 'Basic <basic>', 'Digest <token>', 'Token <wrong>'],
].map((by): Step => [by, 401, 'GET /api/v1/todo/', { by }]);
strays.push(
  ['a cookie', 401, 'GET /api/v1/todo/', { headers: { cookie: 'token=<token>; access=<access>' } }],
  ['other headers', 401, 'GET /api/v1/todo/', { headers: { 'x-api-key': '<token>', 'x-request-id': '<access>' } }],
  ['as what is expected', 200, 'GET /api/v1/todo/', { by: 'Token <token>', headers: { expect: '<token>' } }],
  ['in the query', 401, 'GET /api/v1/todo/?token=<token>&access=<access>'],
  ['as the cursor', 400, 'GET /api/v1/todo/?cursor=<token>', { by: 'Token <token>' }],
  ['as an id', 404, 'GET /api/v1/tokens/x<token>/', { by: 'Token <token>' }],
  ['as a path', 404, 'GET /<access>'],
  ['in a path that cannot be decoded', 404, 'GET /api/%zz/<token>'],
  ['as a file', 404, 'GET /docs/static/<token>.css'],
  ['another version', 400, 'GET / HTTP/9.9\r\nHost: x\r\nAuthorization: Token <token>\r\n\r\n'],
  ['as the method', 400, '<token> / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['as the name of a header', 400, 'GET / HTTP/1.1\r\nHost: x\r\n<token> <token>\r\n\r\n'],
  ['with NUL', 400, 'GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Token \0<token>\r\n\r\n'],
  ['no Host', 400, 'GET / HTTP/1.1\r\nConnection: close\r\nAuthorization: Token <token>\r\n\r\n'],
  ['as the length', 400, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: <token>\r\n\r\n'],
  ['many', 431, `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: ${'Token <token> '.repeat(400)}\r\n\r\n`],
  ['cut short', 400, 'GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Token <token>', END],
  ['in a whole URL', 404, 'GET http://paul:<of paul>@x/y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
);

// What users write is nobody else's, either.
const PLANTED = 'planted in the todos';
const asReader = { by: 'Token <reader>' };
const asAnna = { by: 'Token <token of anna>' };
const byToken = { by: 'Token <token>' };
const byJwt = { by: 'Bearer <access>' };
const change = (current_password: string, new_password: string) => ({
  ...byJwt,
  json: { current_password, new_password },
});
const USERS = 'POST /api/v1/users/';

const STEPS: Step[] = [
  ['a registration', 201, USERS, { json: paul }],
  ['one more', 201, USERS, { json: { username: 'anna', password: '<of anna>' } }],
  ['of a name that is taken', 400, USERS, { json: { username: 'paul', password: '<next>' } }],
  ['of digits alone', 400, USERS, { json: { username: 'otto', password: '<digits>' } }],
  ['of the password as the name', 400, USERS, { json: nobody }],
  ['of the password as the address', 400, USERS, { json: { ...nobody, username: 'otto', email: '<mistyped>' } }],
  ...logIns('/api/token', 400, { token: 'token' }),
  ...logIns('/api/jwt/token/', 401, { access: 'access', refresh: 'refresh' }),
  ...strays,

  ['a todo', 201, 'POST /api/v1/todo/', { ...byToken, json: { title: PLANTED } }],
  ['with what no field takes', 201, 'POST /api/v1/todo/', { ...byJwt, json: { title: 'x', password: '<of paul>' } }],
  ['with a bad field', 400, 'POST /api/v1/todo/', { ...byJwt, json: { is_completed: '<token>' } }],
  ['of another', 404, 'PATCH /api/v1/todo/999999/', { ...byToken, json: { title: '<token>' } }],
  ['todos', 200, 'GET /api/v1/todo/', byToken],
  ['a page', 200, 'GET /api/v1/todo/?limit=1', byJwt],
  ['no body', 200, 'HEAD /api/v1/todo/', byJwt],
  ['what is allowed', 200, 'OPTIONS /api/v1/todo/', byJwt],
  ['what is not', 405, 'PUT /api/v1/todo/', byJwt],
  ['what would tell the headers', 405, 'TRACE /api/v1/todo/', byToken],

  [
    'a login of a superuser',
    200,
    'POST /api/jwt/token/',
    {
      json: { username: 'root', password: '<of root>' },
      gives: { access: 'access of root', refresh: 'refresh of root' },
    },
  ],
  [
    'a refresh',
    200,
    'POST /api/jwt/token/refresh/',
    { json: { refresh: '<refresh>' }, gives: { access: 'access', refresh: 'refresh' } },
  ],
  ['by the other token', 401, 'POST /api/jwt/token/refresh/', { json: { refresh: '<access>' } }],
  ['in the other field', 400, 'POST /api/jwt/token/refresh/', { json: { token: '<refresh>' } }],
  ['a good JWT', 200, 'POST /api/jwt/token/verify/', { json: { token: '<access>' } }],
  ['an expired one', 401, 'POST /api/jwt/token/verify/', { json: { token: '<expired>' } }],
  ['one that is none', 401, 'POST /api/jwt/token/verify/', { json: { token: '<token>' } }],
  ['the end of the wrong one', 401, 'POST /api/jwt/token/blacklist/', { json: { refresh: '<access of root>' } }],
  ['the end of a session', 200, 'POST /api/jwt/token/blacklist/', { json: { refresh: '<refresh of root>' } }],
  ['its end again', 401, 'POST /api/jwt/token/blacklist/', { json: { refresh: '<refresh of root>' } }],
  ['its access', 401, 'GET /api/v1/todo/', { by: 'Bearer <access of root>' }],

  [
    'a token',
    201,
    'POST /api/v1/tokens/',
    { ...byJwt, json: { name: 'a', scopes: 'todo:read' }, gives: { token: 'reader' } },
  ],
  ['which reads', 200, 'GET /api/v1/todo/', asReader],
  ['and no more', 403, 'POST /api/v1/todo/', { ...asReader, json: { title: '<reader>' } }],
  ['tokens', 200, 'GET /api/v1/tokens/', byToken],
  ['a token of a bad name', 400, 'POST /api/v1/tokens/', { ...byToken, json: { name: '<token><token><token>' } }],
  ['a token of another scope', 400, 'POST /api/v1/tokens/', { ...byToken, json: { name: 'a', scopes: 'all' } }],
  ['one more token', 201, 'POST /api/v1/tokens/', { ...byJwt, json: { name: 'a' }, gives: { token: 'ended' } }],
  ['which ends itself', 204, 'DELETE /api/v1/tokens/current/', { by: 'Token <ended>' }],
  ['and is used again', 401, 'GET /api/v1/todo/', { by: 'Token <ended>' }],
  ['sessions', 200, 'GET /api/v1/sessions/', byJwt],

  ['the account', 200, 'GET /api/v1/users/me/', byToken],
  ['an address that is none', 400, 'PATCH /api/v1/users/me/', { ...byToken, json: { email: '<of paul>' } }],
  ['by a wrong password', 400, 'POST /api/v1/users/me/password/', change('<wrong>', '<next>')],
  ['a password of digits', 400, 'POST /api/v1/users/me/password/', change('<of paul>', '<digits>')],
  ['a new password', 204, 'POST /api/v1/users/me/password/', change('<of paul>', '<next>')],
  ['a token of before', 401, 'GET /api/v1/todo/', byToken],
  ['a new token', 200, 'POST /api/token', { json: { ...paul, password: '<next>' }, gives: { token: 'token' } }],
  [
    'another user',
    200,
    'POST /api/token',
    { json: { username: 'anna', password: '<of anna>' }, gives: { token: 'token of anna' } },
  ],
  ['does not go', 400, 'DELETE /api/v1/users/me/', { ...asAnna, json: { password: '<wrong>' } }],
  ['goes', 204, 'DELETE /api/v1/users/me/', { ...asAnna, json: { password: '<of anna>' } }],
  ['is gone', 401, 'GET /api/v1/todo/', asAnna],

  ...[401, 401, 401, 401, 401, 429, 429].map((status, index): Step => {
    return [
      `a guess ${index}`,
      status,
      'POST /api/jwt/token/',
      { json: { username: '<wrong>', password: '<mistyped>' } },
    ];
  }),
  ...['/openapi.json', '/docs', '/docs/json', '/docs/yaml', '/.well-known/jwks.json', '/healthz', '/readyz'].map(
    (path): Step => [path, 200, `GET ${path}?token=<token>`, byToken],
  ),
];

/** What is tried while the database fails, whatever comes of it. */
const faulty = (): Step[] => [
  ['a login', 0, 'POST /api/token', { json: { ...paul, password: '<next>' }, gives: { token: 'token' } }],
  [
    'a JWT login',
    0,
    'POST /api/jwt/token/',
    { json: { ...paul, password: '<next>' }, gives: { access: 'spare', refresh: 'spare refresh' } },
  ],
  [
    'a refresh',
    0,
    'POST /api/jwt/token/refresh/',
    { json: { refresh: '<refresh>' }, gives: { access: 'access', refresh: 'refresh' } },
  ],
  ['a JWT', 0, 'POST /api/jwt/token/verify/', { json: { token: '<access>' } }],
  ['todos', 0, 'GET /api/v1/todo/', byToken],
  ['a todo', 0, 'POST /api/v1/todo/', { ...byJwt, json: { title: PLANTED, token: '<token>' } }],
  [
    'a todo by a key',
    0,
    'POST /api/v1/todo/',
    { ...byJwt, headers: { 'idempotency-key': `"${PLANTED} ${random()}"` }, json: { title: PLANTED } },
  ],
  ['a token', 0, 'POST /api/v1/tokens/', { ...byToken, json: { name: 'a' }, gives: { token: 'another' } }],
  ['a password', 0, 'POST /api/v1/users/me/password/', change('<next>', '<digits>')],
  ['readiness', 0, 'GET /readyz', byToken],
];
const REGISTRATION: Step = ['a registration', 0, USERS, { json: { username: 'otto', password: '<wrong>' } }];

/** Faults of the database: a statement that begins each, one that ends it, and what is tried between. */
const TABLES = ['users', 'api_tokens', 'sessions', 'todos', 'rate_limits', 'idempotency_keys'];
const faults: [what: string, begin: string, end: string, steps: Step[]][] = [
  ...TABLES.map((table): (typeof faults)[number] => [
    `${table} are gone`,
    `ALTER TABLE ${table} RENAME TO gone`,
    `ALTER TABLE gone RENAME TO ${table}`,
    faulty(),
  ]),
  ...TABLES.map((table): (typeof faults)[number] => [
    `${table} take nothing`,
    isOnPostgresql
      ? `ALTER TABLE ${table} ADD CONSTRAINT refuse CHECK (false) NOT VALID`
      : `CREATE TRIGGER refuse BEFORE INSERT ON ${table} BEGIN SELECT * FROM missing; END`,
    isOnPostgresql ? `ALTER TABLE ${table} DROP CONSTRAINT refuse` : 'DROP TRIGGER refuse',
    table === 'users' ? [...faulty(), REGISTRATION] : faulty(),
  ]),
  [
    'another has the lock',
    isOnPostgresql ? 'BEGIN; LOCK TABLE todos, users IN ACCESS EXCLUSIVE MODE' : 'BEGIN IMMEDIATE',
    'ROLLBACK',
    faulty().filter(([what]) => what === 'a todo'),
  ],
];

// The places.

interface Reply {
  step: string;
  answer: Pick<Answer, 'status' | 'headers' | 'text'>;
  /** what it was there to give */
  given: Secrets;
}

interface Toured {
  secrets: Secrets;
  /** hashes of passwords, which are in the database alone */
  hashes: Secrets;
  replies: Reply[];
  log: Buffer;
  database: Buffer;
  commandLine: Buffer;
}

/** Puts secrets in the place of their names. */
function fill<Value>(template: Value, values: Record<string, string>): Value {
  if (typeof template === 'string') {
    return template.replace(/<([\w ]+)>/g, (_, name) => {
      assert.ok(values[name], name);
      return values[name];
    }) as Value;
  }
  if (typeof template !== 'object' || template === null) return template;
  if (Array.isArray(template)) return template.map((one) => fill(one, values)) as Value;
  return Object.fromEntries(Object.entries(template).map(([key, one]) => [key, fill(one, values)])) as Value;
}

/** Takes one step, and learns the secrets that its answer is there to give. */
async function take(
  origin: string,
  [what, status, request, more = {}]: Step,
  secrets: Secrets,
  values: Record<string, string>,
): Promise<Reply> {
  const given: Secrets = new Map();
  const filled = fill(request, values);
  if (more === END || filled.includes('\r\n')) {
    const end: (typeof END)[] = more === END ? [END] : [];
    const answer = (await exchange(origin, filled, ...end)) as unknown as Answer;
    assert.equal(answer.status, status, `${what}: ${request.slice(0, 200)} ${answer.text}`);
    return { step: `${what}: ${request}`, answer, given };
  }
  const { by, headers, json, body, gives = {} } = fill(more, values);
  const options: SendOptions = {
    headers: { ...headers, ...(body && { 'content-type': body[0] }) },
    ...(by !== undefined && { authorization: by }),
    ...(json !== undefined && { json }),
    ...(body && { body: body[1] }),
  };
  const space = filled.indexOf(' ');
  const answer = await send(origin, filled.slice(0, space), filled.slice(space + 1), options);
  const step = `${what}: ${request}`;
  if (status) assert.equal(answer.status, status, `${step} ${answer.text}`);
  for (const [field, name] of Object.entries(gives)) {
    const value = answer.body?.[field];
    if (value === undefined) continue;
    values[name] = value;
    add(secrets, name, value);
    add(given, name, value);
  }
  return { step, answer, given };
}

interface Keys {
  /** makes its own, beside its SQLite file */
  hasOwnSecret: boolean;
  algorithms: Algorithm[];
  settings: Record<string, string>;
}

/** Has a server live through all of it, from its start to the loss of its database. */
async function tour(t: TestContext, { hasOwnSecret, algorithms, settings }: Keys): Promise<Toured> {
  const directory = temporaryDirectory(t);
  const secrets: Secrets = new Map();
  const database = await makeDatabase(t);
  if (isOnPostgresql) await logInAsAnother(t, database, secrets);
  const files = algorithms.map((algorithm) => makeKeyFile(directory, algorithm));
  for (const { path } of files) {
    for (const line of readFileSync(path, 'utf8').match(/^[^-\n]{16,}$/gm) ?? []) add(secrets, 'a key file', line);
  }
  const [SECRET_KEY, fallback] = [random(), random()];
  add(secrets, 'a former secret', fallback);
  if (!hasOwnSecret) add(secrets, 'the secret', SECRET_KEY);

  const { prisma, close } = await openDatabase(configure(database));
  const rootPassword = `${random()}"é`;
  await createUser(prisma, { username: 'root', email: '', password: rootPassword, isSuperuser: true });
  await close();

  const server = await startServer(t, {
    directory,
    settings: {
      ...database,
      ...settings,
      SECRET_KEY: hasOwnSecret ? '' : SECRET_KEY,
      SECRET_KEY_FALLBACKS: fallback,
      JWT_KEY_FILES: files.map(({ path }) => path).join(),
      REGISTRATION: 'open',
      LOGIN_FAILURES_PER_USER: '5',
      DATABASE_TIMEOUT: '1000',
      LOG_LEVEL: 'trace',
      SHUTDOWN_DELAY: '0',
    },
  });
  const path = isOnPostgresql ? '' : databasePath(database.DATABASE_URL as string);
  if (hasOwnSecret) add(secrets, 'the secret', readFileSync(join(dirname(path), 'secret.key'), 'utf8').trim());

  const password = random();
  const claims = { token_type: 'access', exp: 1_700_000_000, jti: 'f'.repeat(32), user_id: 1, sid: 'f'.repeat(32) };
  const values: Record<string, string> = {
    'of paul': password,
    'of root': rootPassword,
    'of anna': random(),
    next: random(),
    wrong: random(),
    mistyped: random(),
    short: `x${random().slice(0, 11)}`,
    digits: String(randomBytes(12).readBigUInt64BE() + 10n ** 24n),
    basic: btoa(`paul:${password}`),
    forged: forge({ ...claims, exp: 4_000_000_000 }, { secret: random() }),
    expired: forge(claims, { secret: SECRET_KEY }),
  };
  for (const [name, value] of Object.entries(values)) add(secrets, name, value);

  const replies: Reply[] = [];
  const walk = async (steps: Step[]) => {
    for (const one of steps) replies.push(await take(server.origin, one, secrets, values));
  };
  const fail = async (what: string, steps: Step[]) => {
    await walk(steps);
    const statuses = replies.slice(-steps.length).map(({ answer }) => answer.status);
    assert.ok(statuses.includes(500) || statuses.includes(503), `${what}: ${statuses}`);
  };
  await walk(STEPS);

  const cleanups: (() => unknown)[] = [];
  const { execute, select } = connect({ after: (fn) => void cleanups.push(fn as () => unknown) }, database);
  for (const [what, begin, end, steps] of faults) {
    await execute(begin);
    await fail(what, steps);
    await execute(end);
  }
  const hashes: Secrets = new Map();
  for (const { password: hash } of await select('SELECT password FROM users')) add(hashes, 'a hash', hash);
  const bytes = isOnPostgresql ? await dump(select) : readFiles(path);
  const commandLine = existsSync('/proc') ? readFileSync(`/proc/${server.child.pid}/cmdline`) : Buffer.from('serve');
  for (const cleanup of cleanups) await cleanup();

  const recover = await loseDatabase(database);
  await fail('the database is lost', [...faulty(), REGISTRATION]);
  const exit = once(server.child, 'close');
  server.child.kill('SIGTERM');
  await exit;
  await recover();
  return { secrets, hashes, replies, log: Buffer.from(server.log()), database: bytes, commandLine };
}

/** Gives the service a user of its own on the server, whose password is a secret, too. */
async function logInAsAnother(t: TestContext, database: Record<string, string>, secrets: Secrets): Promise<void> {
  const server = process.env.TEST_DATABASE_URL as string;
  const url = new URL(database.DATABASE_URL as string);
  [url.username, url.password] = [`tour_${randomBytes(8).toString('hex')}`, random()];
  await administrate(server, `CREATE ROLE ${url.username} SUPERUSER LOGIN PASSWORD '${url.password}'`);
  t.after(() => administrate(server, `DROP ROLE ${url.username}`));
  add(secrets, "the database's password", url.password);
  database.DATABASE_URL = url.href;
}

/** The SQLite file, and what SQLite keeps beside it. */
function readFiles(path: string): Buffer {
  return Buffer.concat([path, `${path}-wal`, `${path}-shm`].map((file) => readFileSync(file)));
}

/** All rows of all tables, as PostgreSQL writes them. */
async function dump(select: Raw['select']): Promise<Buffer> {
  const tables = await select("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
  const rows = await Promise.all(
    tables.map(({ tablename }) => select(`SELECT row_to_json(t)::text AS row FROM ${tablename} AS t`)),
  );
  assert.ok(tables.length > TABLES.length);
  return Buffer.from(
    rows
      .flat()
      .map(({ row }) => row)
      .join('\n'),
  );
}

/** Takes the database away from under the service; gives what makes room for its end. */
async function loseDatabase({ DATABASE_URL: url = '' }: Record<string, string>): Promise<() => Promise<void>> {
  if (!isOnPostgresql) {
    const path = databasePath(url);
    for (const file of [path, `${path}-wal`]) writeFileSync(file, Buffer.alloc(statSync(file).size, 'x'));
    return async () => {};
  }
  const server = process.env.TEST_DATABASE_URL as string;
  const name = new URL(url).pathname.slice(1);
  await administrate(server, `DROP DATABASE ${name} WITH (FORCE)`);
  return () => administrate(server, `CREATE DATABASE ${name}`);
}

const tours: [what: string, keys: Keys][] = [
  ['a secret and a former one', { hasOwnSecret: false, algorithms: [], settings: {} }],
  [
    'key files and a secret of its own',
    {
      hasOwnSecret: !isOnPostgresql,
      algorithms: ['EdDSA', 'RS256'],
      settings: { JWT_ROTATE_REFRESH_TOKENS: 'true', CORS_ORIGINS: 'https://app.example.com' },
    },
  ],
];
suite('of a server', { concurrency: true }, () => {
  for (const [what, keys] of tours) {
    test(`with ${what} no secret is`, async (t) => {
      const { secrets, hashes, replies, log, database, commandLine } = await tour(t, keys);
      const all: Secrets = new Map([...secrets, ...hashes]);
      const planted: Secrets = new Map([[PLANTED, 'the text of a todo']]);
      const textOf = ({ status, headers, text }: Reply['answer']) =>
        Buffer.from(`${status} ${JSON.stringify(headers)}\n${text}`);

      await t.test('in the log', () => assert.deepEqual(find(new Map([...all, ...planted]), log), []));
      await t.test('in the database', () => assert.deepEqual(find(secrets, database), []));
      await t.test('in the command line', () => assert.deepEqual(find(all, commandLine), []));
      await t.test('in an answer that is not there to give it', () => {
        const found = replies.flatMap(({ step, answer, given }) => {
          const others = new Map([...all].filter(([value]) => !given.has(value)));
          return find(others, textOf(answer)).map((secret) => `${secret} in the answer to ${step}`);
        });
        assert.deepEqual(found, []);
      });
      await t.test('missed by the search, where it is', () => {
        for (const { step, answer, given } of replies) {
          assert.equal(find(given, textOf(answer)).length, given.size, step);
        }
        assert.deepEqual(find(planted, database), ['the text of a todo']);
        assert.deepEqual(find(hashes, database).length, hashes.size);
        for (const { answer } of replies) {
          const id = answer.headers['x-request-id'];
          assert.deepEqual(find(new Map([[String(id), 'id']]), log), ['id']);
        }
        assert.deepEqual(find(new Map([['serve', 'command']]), commandLine), ['command']);
        assert.ok(secrets.size > 40 && hashes.size === 2);
      });
      await t.test('left out for want of an answer of its kind', () => {
        const statuses = new Set(replies.map(({ answer }) => answer.status));
        const wanted = [200, 201, 204, 400, 401, 403, 404, 405, 413, 415, 429, 431, 500, 503];
        assert.deepEqual([...statuses].sort(), wanted);
      });
    });
  }
});
