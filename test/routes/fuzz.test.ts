import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, type TestContext, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { digestApiToken } from '../../src/api-token-keys.ts';
import { addUser, build, logIn, PASSWORD } from '../helper.ts';
import { chunked, END, exchange } from '../plugins/helper-socket.ts';
import { connect } from '../src/helper.ts';

// The same requests on every run; fast-check tells seed and path of a request that fails.
const SEED = 20_261_123;
const RUNS = 40;

interface Operation {
  operationId: string;
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: { properties?: object } }> };
  responses: Record<string, object>;
}

const context = { after: after as TestContext['after'] };
const service = await build(context);
const { prisma } = service.app;
const { id: paulId } = await addUser(service, 'paul');
await addUser(service, 'root', { isSuperuser: true });
const paul = await logIn(service, 'paul');
const root = await logIn(service, 'root');
const spare = await logIn(service, 'paul');

// As a client reads it.
const { body: document } = await service.send('GET', '/openapi.json');
const ajv = new Ajv2020({ strict: false, validateSchema: false, validateFormats: false });
ajv.addSchema(document, 'document');
const pointer = (...keys: string[]) =>
  keys.map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

/** What `$ref`s in the document stand for. */
// biome-ignore lint/suspicious/noExplicitAny: of any part of the document
function resolve(part: any): any {
  if (!part?.$ref) return part;
  return resolve(
    part.$ref
      .slice(2)
      .split('/')
      .reduce((whole: object, key: string) => whole[key as never], document),
  );
}

/** Checks an answer against what the document says of the operation. */
function checkAnswer(path: string, method: string, status: number, body: unknown) {
  const response = document.paths[path][method].responses[status];
  assert.ok(response, `${status} is not in the document: ${JSON.stringify(body)}`);
  const content = resolve(response).content;
  if (!content) return assert.equal(body, undefined);
  const location = response.$ref ?? `#${pointer('paths', path, method, 'responses', String(status))}`;
  const ref = `document${location}${pointer('content', 'application/json', 'schema')}`;
  const validate = ajv.getSchema(ref) ?? ajv.compile({ $id: ref.replace('#', '?'), $ref: ref });
  assert.ok(validate(body), `${status} ${JSON.stringify(body)}: ${ajv.errorsText(validate.errors)}`);
}

const wellFormed = (text: string) => Buffer.from(text).toString();
const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const token = fc.constantFrom(spare.refresh, paul.access, paul.token, `${spare.access}x`, 'a.b.c');

/** Values as they stand in JSON text. */
const jsonText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('"paul"', JSON.stringify(PASSWORD), '"a"', 'true', '"2020-1-5"', '"on"') },
  { weight: 2, arbitrary: token.map((text) => JSON.stringify(text)) },
  fc.constantFrom('null', '0', '-0', '1.0', '1e400', '-1e400', '5e-324', '12345678901234567890', '9'.repeat(5000)),
  fc.constantFrom('"\\ud800"', '"\\udfff\\ud800"', '"a\\u0000"', '""', '" \\t\\n"', '"\\u2028"', '"\\ufeff"'),
  fc.constantFrom('[]', '{}', '[1]', '{"a":1}', '{"__proto__":{"title":"a"}}', deep(1000), deep(20_000)),
  fc.constantFrom('"2020-02-30"', '"0000-00-00"', '"99999-1-1"', `"${'x'.repeat(101)}"`, `"${'é'.repeat(10_001)}"`),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.string({ unit: 'grapheme', maxLength: 150 }).map((text) => JSON.stringify(text)),
  fc.json(),
);
const oddNames = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'id', 'owner', 'version', '', 'title[]', 'a.b'),
  fc.string({ unit: 'binary' }),
);
const nameOf = (names: string[]) =>
  names.length === 0 ? oddNames : fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...names) }, oddNames);

const RIGHT: Record<string, string> = {
  title: 'a',
  date_created: '2020-1-5',
  username: 'paul',
  password: PASSWORD,
  refresh: spare.refresh,
  token: paul.access,
};

/** Mostly the right fields with a few odd ones after them, which count where they are repeated. */
function fieldsOf(names: string[], value: fc.Arbitrary<string>, write: (right: string) => string) {
  const right = Object.entries(RIGHT)
    .filter(([name]) => names.includes(name))
    .map(([name, text]): [string, string] => [name, write(text)]);
  const odd = fc.array(fc.tuple(nameOf(names), value), { maxLength: 4 });
  return fc.tuple(fc.option(fc.constant(right), { freq: 4, nil: [] }), odd).map((parts) => parts.flat());
}

interface Body {
  type: string;
  bytes: Buffer;
}

function jsonBody(names: string[]): fc.Arbitrary<Body> {
  const object = fieldsOf(names, jsonText, JSON.stringify).map(
    (fields) => `{${fields.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(', ')}}`,
  );
  const broken = fc.constantFrom('{', '{"title"', '{"title": }', 'nope', '{"title": NaN}', '\ufeff{}', '{}{}');
  return fc
    .oneof({ weight: 6, arbitrary: object }, jsonText, broken)
    .map((text) => ({ type: 'application/json', bytes: Buffer.from(text) }));
}

const formValue = fc.oneof(
  fc.constantFrom(
    'paul',
    PASSWORD,
    'a',
    'on',
    '',
    '2020-1-5',
    '%',
    '%zz',
    '%00',
    '%ed%a0%80',
    '%ff',
    '+',
    '1e400',
    '\xff',
  ),
  token,
  fc.string({ unit: 'binary' }).map((text) => encodeURIComponent(wellFormed(text))),
  fc.string(),
);
function formBody(names: string[]): fc.Arbitrary<Body> {
  return fieldsOf(names, formValue, encodeURIComponent)
    .map((pairs) => pairs.map(([name, value]) => `${encodeURIComponent(wellFormed(name))}=${value}`).join('&'))
    .map((text) => ({ type: 'application/x-www-form-urlencoded', bytes: Buffer.from(text, 'latin1') }));
}

function multipartBody(names: string[]): fc.Arbitrary<Body> {
  const disposition = fc.constantFrom(
    '',
    '; filename="a.txt"',
    '; filename=""',
    "; filename*=UTF-8''%ff",
    '; filename',
  );
  const type = fc.constantFrom('', '\r\nContent-Type: text/plain', '\r\nContent-Type: text/plain; charset=nonsense');
  const quote = (name: string) => name.replace(/["\r\n]/g, '_');
  return fc
    .tuple(
      fieldsOf(names, formValue, (text) => text),
      fc.infiniteStream(fc.option(fc.tuple(disposition, type), { freq: 3, nil: ['', ''] })),
    )
    .map(([fields, heads]) =>
      fields
        .map(([name, value]) => [name, ...(heads.next().value as [string, string]), value] as const)
        .map(
          ([name, filename, typeLine, value]) =>
            `--b\r\nContent-Disposition: form-data; name="${quote(name)}"${filename}${typeLine}\r\n\r\n${value}\r\n`,
        )
        .join(''),
    )
    .map((text) => ({ type: 'multipart/form-data; boundary=b', bytes: Buffer.from(`${text}--b--\r\n`) }));
}

const headerValue = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => (code === 0x7f ? '\t' : String.fromCharCode(code))),
});
const oddType = fc.oneof(
  fc.constantFrom('text/plain', 'application/xml', '*/*', '', ';', 'json', 'application/json;', 'application/json; a'),
  fc.constantFrom('multipart/form-data', 'multipart/form-data; boundary=', 'multipart/form-data; boundary="b', 'a/b/c'),
  headerValue,
);

function bodyOf(names: string[]): fc.Arbitrary<Body> {
  const whole = fc.oneof(jsonBody(names), jsonBody(names), formBody(names), multipartBody(names));
  const noise = fc
    .uint8Array({ maxLength: 200 })
    .map((bytes) => ({ type: 'application/json', bytes: Buffer.from(bytes) }));
  const cut = fc.tuple(whole, fc.nat()).map(([{ type, bytes }, at]) => ({
    type,
    bytes: bytes.subarray(0, at % (bytes.length + 1)),
  }));
  const spoilt = fc.tuple(whole, fc.nat(), fc.nat(255)).map(([{ type, bytes }, at, byte]) => {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy[at % copy.length] = byte;
    return { type, bytes: copy };
  });
  const mistyped = fc.tuple(whole, oddType).map(([{ bytes }, type]) => ({ type, bytes }));
  return fc.oneof({ weight: 6, arbitrary: whole }, cut, spoilt, mistyped, noise);
}

const good = [`Token ${paul.token}`, `Bearer ${paul.access}`, `Token ${root.token}`];
const authorization = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...good) },
  fc.constantFrom('Token', 'Bearer', 'Token a b', 'Bearer a b', 'Basic x', '', `Bearer ${paul.refresh}`, 'Token \xff'),
  fc.tuple(fc.constantFrom('Token ', 'Bearer ', 'bearer ', ''), headerValue).map((parts) => parts.join('')),
  fc.base64String().map((text) => `Bearer ${text}.${text}.${text}`),
);
const otherHeader = fc.tuple(
  fc.constantFrom('Authorization', 'Content-Type', 'Accept', 'Accept-Encoding', 'Accept-Charset', 'Cookie', 'Origin'),
  headerValue,
);
const oneMoreHeader = fc.tuple(
  fc.constantFrom('X-Forwarded-For', 'X-Forwarded-Host', 'X-HTTP-Method-Override', 'X-Request-Id', 'Range', 'If-Match'),
  headerValue,
);
// Few keys, so that they come again.
const keyHeader = fc.tuple(
  fc.constant('Idempotency-Key'),
  fc.oneof(fc.constantFrom('a', '"a"', 'b', '""', '"a', 'a'.repeat(256)), headerValue),
);

const idText = fc.oneof(
  { weight: 5, arbitrary: fc.constant('mine') },
  fc.constantFrom(
    '0',
    '00',
    '2147483648',
    '9'.repeat(30),
    '9'.repeat(2000),
    '-1',
    '1.5',
    '%zz',
    '%ff',
    '%00',
    '%2F',
    '..',
  ),
  fc.string({ unit: 'binary', minLength: 1 }).map((text) => encodeURIComponent(wellFormed(text))),
);
const queryText = (names: string[]) =>
  fc
    .array(
      fc.tuple(
        nameOf(names),
        fc.oneof(formValue, fc.integer().map(String), fc.nat(1100).map(String), fc.base64String()),
      ),
      { maxLength: 4 },
    )
    .map((pairs) =>
      pairs.map(([name, value]) => `${encodeURIComponent(wellFormed(name))}=${encodeURIComponent(value)}`),
    )
    .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.join('&')}`));

function requestOf(operation: Operation) {
  const parameters = (operation.parameters ?? []).map(resolve);
  const schema = resolve(resolve(operation.requestBody)?.content['application/json']?.schema);
  const queryNames = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  return fc.record({
    id: idText,
    query: queryText(queryNames),
    slash: fc.boolean(),
    authorization: fc.option(authorization, { freq: 10 }),
    headers: fc.array(fc.oneof(otherHeader, oneMoreHeader, keyHeader), { maxLength: 3 }),
    body: fc.option(bodyOf(Object.keys(schema?.properties ?? {})), { freq: 8 }),
    isChunked: fc.boolean(),
  });
}

const { select } = connect(context, { DATABASE_URL: service.app.config.DATABASE_URL });
const COUNTS = ['users', 'sessions', 'api_tokens', 'idempotency_keys'].map(
  (table) => `(SELECT count(*) FROM ${table})`,
);
const dump = async () => {
  const [todos, counts] = await Promise.all([
    select('SELECT * FROM todos ORDER BY id'),
    select(`SELECT ${COUNTS.join(" || ',' || ")} AS counts`),
  ]);
  return JSON.stringify([todos, counts]);
};

const operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
  ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

// What ends credentials is asked for with those of a user who is there for it.
const ENDING = new Set([
  'deleteToken',
  'deleteCurrentToken',
  'endSession',
  'endSessions',
  'changePassword',
  'deleteAccount',
]);
let spares = 0;
async function makeSpareToken(): Promise<string> {
  const user = { username: `spare${spares++}`, password: 'none' };
  const key = randomBytes(20).toString('hex');
  await prisma.user.create({ data: { ...user, apiTokens: { create: { name: 'a', digest: digestApiToken(key) } } } });
  return `Token ${key}`;
}

test('whatever a request holds, the answer is one of the document', async (t) => {
  assert.ok(operations.length >= 16);
  const addMine = () => prisma.todo.create({ data: { ownerId: paulId, title: 'mine', dateCreated: '2020-01-01' } });
  let { id: mine } = await addMine();
  let state = await dump();
  for (const [index, { path, method, operation }] of operations.entries()) {
    await t.test(operation.operationId, () =>
      fc.assert(
        fc.asyncProperty(requestOf(operation), async (request) => {
          if (!state.includes(`{"id":${mine},`)) {
            ({ id: mine } = await addMine());
            state = await dump();
          }
          if (ENDING.has(operation.operationId) && good.includes(request.authorization ?? '')) {
            request.authorization = await makeSpareToken();
            state = await dump();
          }
          const id = request.id === 'mine' ? String(mine) : request.id;
          const target = path.replace('{id}', () => id) + (request.slash ? '/' : '') + request.query;
          const { body, isChunked } = request;
          const lines = [
            `${method.toUpperCase()} ${target} HTTP/1.1`,
            'Host: localhost',
            'Connection: close',
            ...(request.authorization === null ? [] : [`Authorization: ${request.authorization}`]),
            ...(body ? [`Content-Type: ${body.type}`] : []),
            ...(body ? [isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.bytes.length}`] : []),
            ...request.headers.map(([name, value]) => `${name}: ${value}`),
          ];
          const half = body ? body.bytes.length >> 1 : 0;
          const sent = !body
            ? ''
            : isChunked
              ? chunked(body.bytes.subarray(0, half), body.bytes.subarray(half))
              : body.bytes;
          const answer = await exchange(service.origin, `${lines.join('\r\n')}\r\n\r\n`, sent);
          assert.equal(answer.answers, 1);
          assert.ok(answer.status >= 200 && answer.status < 500, `${answer.status} ${answer.text}`);
          assert.match(answer.headers['x-request-id'] ?? '', /^[0-9a-f-]{36}$/);
          checkAnswer(path, method, answer.status, answer.body);
          const now = await dump();
          if (answer.status >= 400) assert.equal(now, state);
          state = now;
        }),
        { seed: SEED + index, numRuns: RUNS },
      ),
    );
  }
});

const host = 'Host: x\r\nConnection: close\r\n';
const auth = `Authorization: Token ${paul.token}\r\n`;
const post = (headers: string, body: string) =>
  `POST /api/v1/todo/ HTTP/1.1\r\n${host}${auth}Content-Type: application/json\r\n${headers}\r\n${body}`;
const TODO = '{"title": "smuggled"}';

type RawCase = [what: string, ...bytes: (string | typeof END)[]];

// Each is answered by a 4xx of the contract's shape, or the connection is closed.
const refused: RawCase[] = [
  ['a word', 'hello\r\n\r\n'],
  ['an empty line and no more', '\r\n\r\n', END],
  ['nothing', END],
  ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
  ['bytes that are no text', '\x00\xff\xfe\x80\r\n\r\n'],
  ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['an unknown version', `GET /healthz HTTP/9.9\r\n${host}\r\n`],
  ['a version that is none', `GET /healthz HTTP/x\r\n${host}\r\n`],
  ['another protocol', `GET /healthz ICE/1.0\r\n${host}\r\n`],
  ['a method in lower case', `get /healthz HTTP/1.1\r\n${host}\r\n`],
  ['an unknown method', `BREW /healthz HTTP/1.1\r\n${host}\r\n`],
  ['a space in the target', `GET /heal thz HTTP/1.1\r\n${host}\r\n`],
  ['a relative target', `GET healthz HTTP/1.1\r\n${host}\r\n`],
  ['an absolute target that names nothing', `GET http://x/nothing HTTP/1.1\r\n${host}\r\n`],
  ['the target *', `OPTIONS * HTTP/1.1\r\n${host}\r\n`],
  ['a tunnel', `CONNECT x:80 HTTP/1.1\r\n${host}\r\n`],
  ['a request line cut short', 'GET /heal', END],
  ['headers cut short', 'GET /healthz HTTP/1.1\r\nHost: x\r\nA', END],
  ['no Host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ['a header without a colon', `GET /healthz HTTP/1.1\r\n${host}nonsense\r\n\r\n`],
  ['a space before the colon', `GET /healthz HTTP/1.1\r\n${host}A : b\r\n\r\n`],
  ['a header without a name', `GET /healthz HTTP/1.1\r\n${host}: b\r\n\r\n`],
  ['a NUL in a header', `GET /healthz HTTP/1.1\r\n${host}A: \0\r\n\r\n`],
  ['a bare CR in a header', `GET /healthz HTTP/1.1\r\n${host}A: b\rC: d\r\n\r\n`],
  ['an unknown expectation', `GET /nothing HTTP/1.1\r\n${host}Expect: tea\r\n\r\n`],
  ['a header of 20 KB', `GET /healthz HTTP/1.1\r\n${host}A: ${'x'.repeat(20_000)}\r\n\r\n`],
  ['headers of 20 KB', `GET /healthz HTTP/1.1\r\n${host}${'AAAA: bbbb\r\n'.repeat(2500)}\r\n`],
  ['a target of 20 KB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`],
  ['a bad percent code', `GET /% HTTP/1.1\r\n${host}\r\n`],
  ['a percent code that is no digit', `GET /api/v1/todo/%zz HTTP/1.1\r\n${host}\r\n`],
  ['percent codes that are no UTF-8', `GET /%ff%fe HTTP/1.1\r\n${host}\r\n`],
  ['a percent code cut short', `GET /api/v1/todo/%E0%A4%A HTTP/1.1\r\n${host}\r\n`],
  ['an overlong percent code', `GET /%c0%af HTTP/1.1\r\n${host}\r\n`],
  ['NUL in the target', `GET /%00 HTTP/1.1\r\n${host}\r\n`],
  ['bytes beyond ASCII in the target', `GET /\xff HTTP/1.1\r\n${host}\r\n`],
  ['dots in the target', `GET /docs/static/%2e%2e/%2e%2e/package.json HTTP/1.1\r\n${host}\r\n`],
  ['both lengths', post(`Content-Length: ${TODO.length}\r\nTransfer-Encoding: chunked\r\n`, TODO)],
  ['both lengths, turned', post(`Transfer-Encoding: chunked\r\nContent-Length: 5\r\n`, `0\r\n\r\n${TODO}`)],
  ['two lengths', post(`Content-Length: ${TODO.length}\r\nContent-Length: 5\r\n`, TODO)],
  ['the same length twice', post(`Content-Length: ${TODO.length}\r\nContent-Length: ${TODO.length}\r\n`, TODO)],
  ['a list of lengths', post(`Content-Length: ${TODO.length}, ${TODO.length}\r\n`, TODO)],
  ['a length that is none', post('Content-Length: x\r\n', TODO)],
  ['a negative length', post('Content-Length: -5\r\n', TODO)],
  ['a length with a plus', post(`Content-Length: +${TODO.length}\r\n`, TODO)],
  ['a hexadecimal length', post('Content-Length: 0x15\r\n', TODO)],
  ['a length beyond 64 bits', post('Content-Length: 99999999999999999999\r\n', TODO)],
  ['a length beyond the limit', post('Content-Length: 999999999\r\n', '')],
  ['a length beyond what comes', post('Content-Length: 100\r\n', TODO), END],
  ['an unknown transfer encoding', post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n`)],
  ['a transfer encoding after chunked', post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n`)],
  ['a transfer encoding in quotes', post('Transfer-Encoding: "chunked"\r\n', `0\r\n\r\n`)],
  ['a folded transfer encoding', post('Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n', `0\r\n\r\n`)],
  ['a chunk size that is none', post('Transfer-Encoding: chunked\r\n', `zz\r\n${TODO}\r\n0\r\n\r\n`)],
  ['a negative chunk size', post('Transfer-Encoding: chunked\r\n', `-1\r\n${TODO}\r\n0\r\n\r\n`)],
  ['a huge chunk size', post('Transfer-Encoding: chunked\r\n', `FFFFFFFFFFFFFFFFF\r\n${TODO}\r\n0\r\n\r\n`)],
  ['a chunk longer than its size', post('Transfer-Encoding: chunked\r\n', `5\r\n${TODO}\r\n0\r\n\r\n`)],
  ['a chunk cut short', post('Transfer-Encoding: chunked\r\n', `ff\r\n${TODO}`), END],
  ['no last chunk', post('Transfer-Encoding: chunked\r\n', `15\r\n${TODO}\r\n`), END],
  [
    'a long chunk extension',
    post('Transfer-Encoding: chunked\r\n', `15;${'a'.repeat(20_000)}\r\n${TODO}\r\n0\r\n\r\n`),
  ],
  [
    'credentials in a trailer',
    `POST /api/v1/todo/ HTTP/1.1\r\n${host}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n${TODO}\r\n0\r\n${auth}\r\n`,
  ],
  ['an upgrade', `GET /api/v1/todo/ HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n`],
  [
    'an upgrade to HTTP/2',
    `GET /api/v1/todo/ HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n`,
  ],
];

test('what is hardly HTTP is refused in the shape of errors, or the connection is closed', async (t) => {
  const before = await dump();
  for (const [what, ...bytes] of refused) {
    await t.test(what, async () => {
      const answer = await exchange(service.origin, ...bytes);
      assert.equal(await dump(), before);
      if (answer.status === 0) return;
      assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${answer.text}`);
      assert.equal(answer.answers, 1, answer.text);
      assert.deepEqual(Object.keys(answer.body ?? {}), ['detail'], `${answer.status} "${answer.text}"`);
      assert.equal(typeof answer.body.detail, 'string');
      assert.match(answer.headers['x-request-id'] ?? '', /^[0-9a-f-]{36}$/);
    });
  }
  for (const [what, status] of [
    ['a header of 20 KB', 431],
    ['a target of 20 KB', 431],
    ['a long chunk extension', 413],
    ['a length beyond the limit', 413],
    ['a bad percent code', 404],
    ['both lengths', 400],
    ['credentials in a trailer', 401],
  ] as const) {
    await t.test(`${what}: ${status}`, async () => {
      const [, ...bytes] = refused.find(([name]) => name === what) as RawCase;
      assert.equal((await exchange(service.origin, ...bytes)).status, status);
    });
  }
  await t.test('and the service goes on', async () => {
    assert.equal((await service.send('GET', '/readyz')).status, 200);
  });
});

test('what is odd and right is answered', async (t) => {
  const list = `GET /api/v1/todo/?limit=1 HTTP/1.1\r\n${auth}`;
  const right: [string, string, number][] = [
    ['empty lines before the request', `\r\n\r\n${list}${host}\r\n`, 200],
    [
      'headers in upper case',
      `${list
        .toUpperCase()
        .replace(/^.*?\r\n/, 'GET /api/v1/todo/ HTTP/1.1\r\n')
        .replace(paul.token.toUpperCase(), paul.token)}${host}\r\n`,
      200,
    ],
    ['HTTP/1.0', `${list.replace('HTTP/1.1', 'HTTP/1.0')}\r\n`, 200],
    ['an absolute target', `${list.replace('GET /', 'GET http://x/')}${host}\r\n`, 200],
    ['a percent code in the path', `${list.replace('todo', '%74odo')}${host}\r\n`, 200],
    ['a chunk extension', post('Transfer-Encoding: chunked\r\n', `15;a=b\r\n${TODO}\r\n0\r\n\r\n`), 201],
    [
      'a chunked body with a trailer',
      post('Transfer-Encoding: chunked\r\n', `15\r\n${TODO}\r\n0\r\nA: b\r\n\r\n`),
      201,
    ],
    ['chunked in upper case', post('Transfer-Encoding: CHUNKED\r\n', `15\r\n${TODO}\r\n0\r\n\r\n`), 201],
    ['100-continue', post(`Expect: 100-continue\r\nContent-Length: ${TODO.length}\r\n`, TODO), 201],
  ];
  for (const [what, bytes, status] of right) {
    await t.test(what, async () => {
      const answer = await exchange(service.origin, bytes);
      assert.equal(answer.status, status, answer.text);
    });
  }
  await t.test('two requests one after the other', async () => {
    const first = post(`Content-Length: ${TODO.length}\r\n`, TODO).replace('Connection: close\r\n', '');
    const answer = await exchange(service.origin, `${first}GET /healthz HTTP/1.1\r\n${host}\r\n`);
    assert.deepEqual([answer.answers, answer.status], [2, 201]);
    assert.ok(answer.text.endsWith('{"status":"ok"}'));
  });
});
