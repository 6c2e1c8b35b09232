import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, type TestContext, test } from 'node:test';
import { type Answer, addUser, build, logIn, makeDatabase, PASSWORD, send, temporaryDirectory } from '../helper.ts';
import { chunked, END, exchange, keepLine, type RawAnswer } from '../plugins/helper-socket.ts';
import { startServer } from '../src/helper.ts';

const NO_CREDENTIALS = { detail: 'Authentication credentials were not provided.' };
const NOT_FOUND = { detail: 'Not found.' };

const context = { after: after as TestContext['after'] };
const service = await build(context);
const line = keepLine(context, service.origin);
const { prisma } = service.app;
await addUser(service, 'paul');
const { id: johnId } = await addUser(service, 'john');
const paul = await logIn(service, 'paul');
const john = await logIn(service, 'john');
const asPaul = `Authorization: Token ${paul.token}\r\n`;
const asJohn = `Authorization: Token ${john.token}\r\n`;
for (const title of ['one', 'two', 'three']) {
  await service.send('POST', '/api/v1/todo/', { json: { title }, authorization: `Token ${paul.token}` });
}
const dump = async () => [await prisma.todo.findMany({ orderBy: { id: 'asc' } }), await prisma.user.findMany()];
const ask = (...bytes: Parameters<typeof exchange>[1][]) => exchange(service.origin, ...bytes);

const LIST = '/api/v1/todo/';
const ME = '/api/v1/users/me/';
const TODO = '{"title":"written"}';
const get = (path: string, lines = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`;
const post = (lines: string, body: string, path = LIST) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${asPaul}${lines}\r\n${body}`;
const lengthOf = (body: string) => `Content-Length: ${body.length}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const CLOSE = 'Connection: close\r\n';
/** A request that nobody may find within another. */
const SMUGGLED = post(lengthOf(TODO), TODO);
const LAST = get('/healthz', CLOSE);
const EMPTY_CHUNKS = '0\r\n\r\n';

// Where one request ends and the next begins can be read in two ways; each is refused, or the connection closed.
const ambiguous: [what: string, lines: string, body: string][] = [
  ['a length and chunks', `${lengthOf(EMPTY_CHUNKS + SMUGGLED)}${CHUNKED}`, EMPTY_CHUNKS + SMUGGLED],
  ['chunks and a length', `${CHUNKED}${lengthOf(EMPTY_CHUNKS)}`, EMPTY_CHUNKS + SMUGGLED],
  ['a length of none and chunks', `Content-Length: 0\r\n${CHUNKED}`, EMPTY_CHUNKS + SMUGGLED],
  ['two lengths', `Content-Length: 0\r\n${lengthOf(SMUGGLED)}`, SMUGGLED],
  ['two lengths, turned', `${lengthOf(SMUGGLED)}Content-Length: 0\r\n`, SMUGGLED],
  ['one length twice', lengthOf(TODO).repeat(2), TODO],
  ['a list of lengths', `Content-Length: 0, ${SMUGGLED.length}\r\n`, SMUGGLED],
  ['a length with a plus', `Content-Length: +${SMUGGLED.length}\r\n`, SMUGGLED],
  ['a length with a minus', `Content-Length: -0\r\n`, SMUGGLED],
  ['a hexadecimal length', `Content-Length: 0x0\r\n`, SMUGGLED],
  ['a length with a fraction', `Content-Length: 0.0\r\n`, SMUGGLED],
  ['a length with an exponent', `Content-Length: 0e1\r\n`, SMUGGLED],
  ['a length in two', `Content-Length: 0 ${SMUGGLED.length}\r\n`, SMUGGLED],
  ['an empty length', 'Content-Length:\r\n', SMUGGLED],
  ['a length after a vertical tab', `Content-Length: \x0b${SMUGGLED.length}\r\n`, SMUGGLED],
  ['a length and a form feed', `Content-Length: 0\x0c\r\n`, SMUGGLED],
  ['a length and a NUL', `Content-Length: 0\0\r\n`, SMUGGLED],
  ['a length beyond 64 bits', 'Content-Length: 18446744073709551616\r\n', SMUGGLED],
  ['a length on two lines', `Content-Length:\r\n ${SMUGGLED.length}\r\n`, SMUGGLED],
  ['a space before the colon of the length', `Content-Length : ${SMUGGLED.length}\r\n`, SMUGGLED],
  ['a space before the length', ` ${lengthOf(SMUGGLED)}`, SMUGGLED],
  ['a bare line feed before the length', `A: b\n${lengthOf(SMUGGLED)}`, SMUGGLED],
  ['a bare carriage return before the length', `A: b\r${lengthOf(SMUGGLED)}`, SMUGGLED],
  ['xchunked', 'Transfer-Encoding: xchunked\r\n', EMPTY_CHUNKS + SMUGGLED],
  ['chunked in quotes', 'Transfer-Encoding: "chunked"\r\n', EMPTY_CHUNKS + SMUGGLED],
  ['chunked, identity', 'Transfer-Encoding: chunked, identity\r\n', EMPTY_CHUNKS + SMUGGLED],
  ['chunked, and identity', `${CHUNKED}Transfer-Encoding: identity\r\n`, EMPTY_CHUNKS + SMUGGLED],
  ['identity alone', 'Transfer-Encoding: identity\r\n', SMUGGLED],
  ['identity and a length', `Transfer-Encoding: identity\r\n${lengthOf(TODO)}`, TODO],
  ['gzip alone', 'Transfer-Encoding: gzip\r\n', SMUGGLED],
  ['an encoding without a name', `Transfer-Encoding:\r\n${lengthOf(SMUGGLED)}`, SMUGGLED],
  ['chunked after a vertical tab', 'Transfer-Encoding: \x0bchunked\r\n', EMPTY_CHUNKS + SMUGGLED],
  ['chunked and a NUL', 'Transfer-Encoding: chunked\0\r\n', EMPTY_CHUNKS + SMUGGLED],
  ['chunked on two lines', 'Transfer-Encoding:\r\n chunked\r\n', EMPTY_CHUNKS + SMUGGLED],
  ['a folded line that says chunked', `A: b\r\n ${CHUNKED}${lengthOf(SMUGGLED)}`, SMUGGLED],
  ['a space before the colon of the encoding', `Transfer-Encoding : chunked\r\n`, EMPTY_CHUNKS + SMUGGLED],
  ['a tab before the colon of the encoding', `Transfer-Encoding\t: chunked\r\n`, EMPTY_CHUNKS + SMUGGLED],
  ['a line end before the colon of the encoding', `Transfer-Encoding\r\n: chunked\r\n`, EMPTY_CHUNKS + SMUGGLED],
  ['a bare line feed before the encoding', `A: b\n${CHUNKED}${lengthOf(SMUGGLED)}`, SMUGGLED],
  ['a bare carriage return before the encoding', `A: b\r${CHUNKED}${lengthOf(SMUGGLED)}`, SMUGGLED],
  ['a bare line feed at the end of the headers', `${lengthOf(SMUGGLED)}\n`, SMUGGLED],
  ['a chunk size in C', CHUNKED, `0x13\r\n${TODO}\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk size with a plus', CHUNKED, `+13\r\n${TODO}\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk size after a space', CHUNKED, ` 13\r\n${TODO}\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk size beyond 64 bits', CHUNKED, `10000000000000013\r\n${TODO}\r\n0\r\n\r\n${SMUGGLED}`],
  ['no chunk size', CHUNKED, `\r\n${TODO}\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk size and a bare line feed', CHUNKED, `13\n${TODO}\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk extension and a bare line feed', CHUNKED, `13;a\n${TODO}\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk extension with a carriage return', CHUNKED, `13;a\rb\r\n${TODO}\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk and a bare line feed', CHUNKED, `13\r\n${TODO}\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk without an end', CHUNKED, `13\r\n${TODO}0\r\n\r\n${SMUGGLED}`],
  ['a chunk with another end', CHUNKED, `13\r\n${TODO}XX0\r\n\r\n${SMUGGLED}`],
  ['a length in the trailer', CHUNKED, `13\r\n${TODO}\r\n0\r\n${lengthOf(SMUGGLED)}\r\n${SMUGGLED}`],
  ['an encoding in the trailer', CHUNKED, `13\r\n${TODO}\r\n0\r\n${CHUNKED}\r\n${SMUGGLED}`],
];

test('a request that could end in two places is refused', async (t) => {
  const before = await dump();
  for (const [what, lines, body] of ambiguous) {
    await t.test(what, async () => {
      const answer = await ask(post(lines, body) + LAST);
      assert.ok([400, 0].includes(answer.status), `${answer.status} ${answer.text}`);
      assert.ok(answer.answers <= 1, answer.text);
      if (answer.status === 400) assert.deepEqual(Object.keys(answer.body), ['detail']);
      assert.deepEqual(await dump(), before);
    });
  }
  await t.test('also where its protocol knows no chunks', async () => {
    for (const lines of [CHUNKED, `${CHUNKED}${lengthOf(EMPTY_CHUNKS)}`]) {
      const answer = await ask(post(lines, EMPTY_CHUNKS + SMUGGLED).replace('HTTP/1.1', 'HTTP/1.0') + LAST);
      assert.ok([400, 0].includes(answer.status) && answer.answers <= 1, answer.text);
      assert.deepEqual(await dump(), before);
    }
  });
});

// A request whose body is another one: it stays a body, whatever becomes of the first. After some the
// connection is closed, and the last request has no answer.
const BODY = `${lengthOf(SMUGGLED)}\r\n`;
const anonymous = 'Host: x\r\nContent-Type: application/json\r\n';
const clear: [what: string, status: number, bytes: string][] = [
  ['GET, which reads none', 200, `GET /healthz HTTP/1.1\r\n${anonymous}${BODY}${SMUGGLED}`],
  ['GET, in chunks', 200, `GET /healthz HTTP/1.1\r\n${anonymous}${CHUNKED}\r\n${chunked(SMUGGLED)}`],
  ['HEAD', 200, `HEAD /healthz HTTP/1.1\r\n${anonymous}${BODY}${SMUGGLED}`],
  ['OPTIONS', 200, `OPTIONS ${LIST} HTTP/1.1\r\n${anonymous}${BODY}${SMUGGLED}`],
  ['DELETE', 404, `DELETE ${LIST}999999/ HTTP/1.1\r\n${anonymous}${asPaul}${BODY}${SMUGGLED}`],
  ['a path that is not', 404, `POST /nothing HTTP/1.1\r\n${anonymous}${BODY}${SMUGGLED}`],
  ['a path that is not, in chunks', 404, `POST /nothing HTTP/1.1\r\n${anonymous}${CHUNKED}\r\n${chunked(SMUGGLED)}`],
  ['a path that cannot be decoded', 404, `POST /%zz HTTP/1.1\r\n${anonymous}${BODY}${SMUGGLED}`],
  ['no credentials', 401, `POST ${LIST} HTTP/1.1\r\n${anonymous}${BODY}${SMUGGLED}`],
  ['no credentials, in chunks', 401, `POST ${LIST} HTTP/1.1\r\n${anonymous}${CHUNKED}\r\n${chunked(SMUGGLED)}`],
  ['another method', 405, `PUT ${LIST} HTTP/1.1\r\n${anonymous}${asPaul}${BODY}${SMUGGLED}`],
  ['another type', 415, `POST ${LIST} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n${asPaul}${BODY}${SMUGGLED}`],
  ['no JSON', 400, post(lengthOf(SMUGGLED), SMUGGLED)],
  ['too large', 413, post('Content-Length: 300000\r\n', SMUGGLED.padEnd(300_000))],
  ['too large, in chunks', 413, post(CHUNKED, chunked(SMUGGLED, ' '.repeat(300_000)).toString())],
  ['an expectation', 400, post(`Expect: 100-continue\r\n${lengthOf(SMUGGLED)}`, SMUGGLED)],
  ['an upgrade', 400, post(`Connection: Upgrade\r\nUpgrade: websocket\r\n${lengthOf(SMUGGLED)}`, SMUGGLED)],
  ['a length with noughts before it', 400, post(`Content-Length: 000${SMUGGLED.length}\r\n`, SMUGGLED)],
  ['a length that is another header', 200, get('/healthz', `Content_Length: 5\r\nX-Content-Length: 5\r\n`)],
  ['an encoding that is another header', 400, post(`Transfer_Encoding: chunked\r\n${lengthOf(SMUGGLED)}`, SMUGGLED)],
  ['a chunk extension', 400, post(CHUNKED, `${SMUGGLED.length.toString(16)};a=b\r\n${SMUGGLED}\r\n000\r\n\r\n`)],
  ['headers in the trailer', 400, post(CHUNKED, `5\r\nhello\r\n0\r\nHost: y\r\n${asJohn}\r\n`)],
];
test('a request within the body of another is never one', async (t) => {
  const before = await dump();
  for (const [what, status, bytes] of clear) {
    await t.test(what, async () => {
      const answer = await ask(bytes + LAST);
      // Where a body is not read to its end its answer may be lost.
      assert.ok(answer.status === status || (status === 413 && answer.status === 0), `${answer.status} ${answer.text}`);
      assert.ok(answer.answers <= 2, answer.text);
      if (answer.answers === 2) assert.ok(answer.text.endsWith('{"status":"ok"}'), answer.text);
      assert.deepEqual(await dump(), before);
    });
  }
});

const list = (line = '') => get(LIST, `${line}${asPaul}${CLOSE}`);
// Each is refused, or the connection closed; never is the request answered as if the line were not there.
const malformed: [what: string, bytes: string][] = [
  ['a NUL in a value', list('A: b\0c\r\n')],
  ['a bare carriage return in a value', list('A: b\rc\r\n')],
  ['a bare line feed in a value', list('A: b\nC: d\r\n')],
  ['a line feed and a carriage return', list('A: b\n\r')],
  ['two carriage returns', list('A: b\r\r\n')],
  ['an escape in a value', list('A: \x1b[2J\r\n')],
  ['a delete in a value', list('A: \x7f\r\n')],
  ['a line that goes on the next', list('A: b\r\n c\r\n')],
  ['a line that goes on after a tab', list('A: b\r\n\tc\r\n')],
  ['a first line that goes on', `GET ${LIST} HTTP/1.1\r\n Host: x\r\n${asPaul}${CLOSE}\r\n`],
  ['a space before the colon', list('A : b\r\n')],
  ['a header without a name', list(': b\r\n')],
  ['a header without a colon', list('A\r\n')],
  ...Array.from('\0\x01\t "(),/;<=>?@[\\]{}\x7f\x80\xe9\xff', (byte): [string, string] => [
    `a name with the byte ${byte.charCodeAt(0)}`,
    list(`A${byte}B: b\r\n`),
  ]),
  ['line feeds alone', list().replaceAll('\r', '')],
  ['carriage returns alone', list().replaceAll('\n', '')],
  ['a method in lower case', list().replace('GET', 'get')],
  ['a method in mixed case', list().replace('GET', 'Get')],
  ['a method that begins like one', list().replace('GET', 'GETS')],
  ['a method with a NUL', list().replace('GET', 'GET\0')],
  ['a space before the method', ` ${list()}`],
  ['a tab after the method', list().replace(' ', '\t')],
  ['a tab before the version', list().replace(' HTTP', '\tHTTP')],
  ['the version in lower case', list().replace('HTTP/1.1', 'http/1.1')],
  ['a version of three digits', list().replace('HTTP/1.1', 'HTTP/1.10')],
  ['a nought before the version', list().replace('HTTP/1.1', 'HTTP/01.1')],
  ['a space after the version', list().replace('HTTP/1.1', 'HTTP/1.1 ')],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
  ['HTTP/0.9, and the end', `GET ${LIST}\r\n`],
  ['a greeting of TLS', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'],
  ['a greeting of SOCKS', '\x05\x01\x00\r\n\r\n'],
  ['the line of a proxy', `PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${list()}`],
];
test('what is no HTTP/1.1 is refused', async (t) => {
  for (const [what, bytes] of malformed) {
    await t.test(what, async () => {
      const answer = await ask(bytes, END);
      assert.ok([400, 0].includes(answer.status) && answer.answers <= 1, `${answer.status} ${answer.text}`);
      if (answer.status === 400) assert.deepEqual(Object.keys(answer.body), ['detail']);
    });
  }
  // These carry no credentials, or are read as they are meant: never more than the plain request would get.
  const odd: [what: string, bytes: string, statuses: number[]][] = [
    ['HTTP/0.9', `GET ${LIST}\r\n\r\n`, [400, 401, 0]],
    ['HTTP/2 without its frames', get(LIST, CLOSE).replace('HTTP/1.1', 'HTTP/2.0'), [400, 401, 505]],
    ['an upgrade to HTTP/2', get(LIST, 'Connection: close, Upgrade\r\nUpgrade: h2c\r\n'), [401]],
    ['a tunnel', `CONNECT ${LIST} HTTP/1.1\r\nHost: x\r\n${asPaul}\r\n${SMUGGLED}`, [400, 0]],
    ['bytes beyond ASCII in a value', list('A: \x80\xff\r\n'), [200, 400]],
    ['two spaces in the request line', get(LIST, CLOSE).replaceAll(' ', '  '), [400, 401]],
  ];
  const before = await dump();
  for (const [what, bytes, statuses] of odd) {
    await t.test(what, async () => {
      const answer = await ask(bytes);
      assert.ok(statuses.includes(answer.status) && answer.answers <= 1, `${answer.status} ${answer.text}`);
      assert.deepEqual(await dump(), before);
    });
  }
});

const token = ({ token }: { token: string }) => `Token ${token}`;
const bearer = ({ access }: { access: string }) => `Bearer ${access}`;
/** Who the request is of; several where either is right. */
const whose: [what: string, lines: string, users: (string | 400 | 401)[]][] = [
  ['one header', asPaul, ['paul']],
  // Of several the first counts, whatever the others are.
  ['two headers', `${asPaul}${asJohn}`, ['paul', 400]],
  ['two headers, turned', `${asJohn}${asPaul}`, ['john', 400]],
  ['two of two schemes', `Authorization: ${bearer(john)}\r\n${asPaul}`, ['john', 400]],
  ['two of two schemes, turned', `${asPaul}Authorization: ${bearer(john)}\r\n`, ['paul', 400]],
  ['a bad one first', `Authorization: Token x\r\n${asPaul}`, [401, 400]],
  ['an empty one first', `Authorization:\r\n${asPaul}`, [401, 400]],
  ['another scheme first', `Authorization: Basic cGF1bDpwYXVs\r\n${asPaul}`, [401, 400]],
  ['a bad one last', `${asPaul}Authorization: Token x\r\n`, ['paul', 400]],
  ['two names in two cases', `authorization: ${token(paul)}\r\nAUTHORIZATION: ${token(john)}\r\n`, ['paul', 400]],
  ['two in one header', `Authorization: ${token(paul)}, ${token(john)}\r\n`, [401]],
  ['two with a semicolon', `Authorization: ${token(paul)}; ${token(john)}\r\n`, [401]],
  ['a comma after it', `Authorization: ${token(paul)},\r\n`, [401]],
  ['quotes around it', `Authorization: Token "${paul.token}"\r\n`, [401]],
  ['a header on two lines', `Authorization: Token\r\n ${paul.token}\r\n`, [400]],
  ['a space before the colon', `Authorization : ${token(paul)}\r\n`, [400]],
  ['the token of the other scheme', `Authorization: Token ${paul.access}\r\n`, [401]],
  ['the token of the other scheme, turned', `Authorization: Bearer ${paul.token}\r\n`, [401]],
  ["a proxy's header", `Proxy-Authorization: ${token(paul)}\r\n`, [401]],
  ['another name', `X-Authorization: ${token(paul)}\r\nHTTP-Authorization: ${token(paul)}\r\n`, [401]],
  ['an underscore', `Authorization_: ${token(paul)}\r\nHTTP_AUTHORIZATION: ${token(paul)}\r\n`, [401]],
  ['a name that a proxy might have set', 'Remote-User: paul\r\nX-Remote-User: paul\r\nX-User-Id: 1\r\n', [401]],
  ['another of those', 'X-Forwarded-User: paul\r\nX-Auth-Request-User: paul\r\nX-Original-User: paul\r\n', [401]],
  ['a cookie', `Cookie: Authorization=${token(paul)}; token=${paul.token}; access=${paul.access}\r\n`, [401]],
  ['a cookie beside it', `Cookie: Authorization=${token(john)}; token=${john.token}\r\n${asPaul}`, ['paul']],
  ['the protocols of a socket', `Sec-WebSocket-Protocol: token, ${paul.token}\r\n`, [401]],
];
test('a request has the credentials of its one Authorization header', async (t) => {
  for (const [what, lines, users] of whose) {
    await t.test(what, async () => {
      const { status, body, text } = await ask(get(ME, lines + CLOSE));
      assert.ok(users.includes(status === 200 ? body.username : status), `${status} ${text}`);
    });
  }
  const { access, refresh } = paul;
  const fields = { token: paul.token, access, access_token: access, authorization: token(paul), refresh, title: 'x' };
  const query = `?${new URLSearchParams(fields)}`;
  const elsewhere: [what: string, ask: () => Promise<Answer>][] = [
    ['the query', () => service.send('GET', LIST + query)],
    ['the query of a write', () => service.send('POST', LIST + query, { json: { title: 'x' } })],
    ['the user part of the address', () => service.send('GET', `http://${paul.token}:x@localhost${LIST}`)],
    ['a JSON body', () => service.send('POST', LIST, { json: fields })],
    [
      'a form (RFC 6750, 2.2)',
      () =>
        service.send('POST', LIST, {
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: `${new URLSearchParams(fields)}`,
        }),
    ],
    ['a name and a password', () => service.send('GET', LIST, { authorization: `Basic ${btoa(`paul:${PASSWORD}`)}` })],
  ];
  for (const [what, ask] of elsewhere) {
    await t.test(`and none in ${what}`, async () => {
      const { status, body } = await ask();
      assert.deepEqual([status, body], [401, NO_CREDENTIALS]);
    });
  }
});

test('a request has the method and the path of its first line', async (t) => {
  const before = await dump();
  const authorization = `Token ${paul.token}`;
  const override = (method: string) => ({
    'x-http-method-override': method,
    'x-http-method': method,
    'x-method-override': method,
    'x-original-method': method,
  });
  const other = (path: string) => ({
    'x-original-url': path,
    'x-original-uri': path,
    'x-rewrite-url': path,
    'x-forwarded-uri': path,
    'x-forwarded-path': path,
    'x-forwarded-prefix': path,
    'x-accel-redirect': path,
    'x-sendfile': path,
    'x-envoy-original-path': path,
  });
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const rows: [what: string, method: string, path: string, options: Parameters<typeof send>[3], status: number][] = [
    ['POST that would be DELETE', 'POST', `${LIST}1/`, { headers: override('DELETE') }, 405],
    ['POST that would be PATCH', 'POST', `${LIST}1/`, { headers: override('PATCH'), json: { title: 'x' } }, 405],
    ['POST that would be PUT, by a field', 'POST', `${LIST}1/`, { headers: form, body: '_method=PUT&title=x' }, 405],
    ['POST that would be DELETE, by the query', 'POST', `${LIST}1/?_method=DELETE&method=DELETE`, {}, 405],
    ['POST to the original path', 'POST', `${LIST}delete/1/`, { headers: override('DELETE') }, 405],
    ['GET that would be DELETE', 'GET', `${LIST}1/`, { headers: override('DELETE') }, 200],
    ['GET that would be POST', 'GET', LIST, { headers: override('POST'), json: { title: 'x' } }, 200],
    ['HEAD that would be DELETE', 'HEAD', `${LIST}1/?_method=DELETE`, { headers: override('DELETE') }, 200],
    ['OPTIONS that would be GET', 'OPTIONS', LIST, { headers: override('GET') }, 200],
    ['another path that is not', 'GET', '/nothing', { headers: other(LIST) }, 404],
  ];
  for (const [what, method, path, options, status] of rows) {
    await t.test(what, async () => {
      const answer = await service.send(method, path, { ...options, authorization });
      assert.equal(answer.status, status, answer.text);
      assert.deepEqual(await dump(), before);
    });
  }
  await t.test('no other path opens this one, nor is told', async () => {
    for (const path of ['/healthz', '/docs/', '/openapi.json', '/api/token', LIST, `${LIST}1/`]) {
      const headers = other(path);
      assert.equal((await service.send('GET', LIST, { headers })).status, 401);
      assert.deepEqual((await service.send('GET', '/healthz', { headers })).body, { status: 'ok' });
      const list = await service.send('GET', `${LIST}?limit=1`, { headers, authorization });
      assert.match(String(list.headers.link), new RegExp(`^<${service.origin}${LIST}\\?limit=1&cursor=`));
    }
  });
});

// What proxies say of a request, and anybody can.
const forwarded = [
  'X-Forwarded-For: 192.0.2.1',
  'X-Forwarded-For: 127.0.0.1, 192.0.2.1, ::1',
  'X-Forwarded-For: "><script>',
  `X-Forwarded-For: ${'192.0.2.1, '.repeat(1000)}192.0.2.2`,
  'Forwarded: for=192.0.2.1;host=evil.example;proto=https',
  'X-Forwarded: for=192.0.2.1',
  'X-Real-IP: 192.0.2.1',
  'X-Client-IP: 192.0.2.1',
  'True-Client-IP: 192.0.2.1',
  'CF-Connecting-IP: 192.0.2.1',
  'Fastly-Client-IP: 192.0.2.1',
  'X-Cluster-Client-IP: 192.0.2.1',
  'X-Originating-IP: 192.0.2.1',
  'X-Remote-Addr: 192.0.2.1',
  'X-Forwarded-Host: evil.example',
  'X-Forwarded-Host: evil.example, other.example',
  'X-Forwarded-Server: evil.example',
  'X-Original-Host: evil.example',
  'X-Host: evil.example',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Scheme: https',
  'X-Url-Scheme: https',
  'Front-End-Https: on',
  'X-Forwarded-Port: 444',
  'Via: 1.1 evil.example',
];
for (const [what, settings] of [
  ['no proxy', {}],
  ['another proxy', { TRUST_PROXY: '192.0.2.0/24' }],
] as const) {
  test(`what a client says of itself is not believed where ${what} is trusted`, async (t) => {
    const database = await makeDatabase(t);
    const limits = { LOGIN_THROTTLE: 'on', LOGIN_FAILURES_PER_ADDRESS: String(forwarded.length) };
    const run = { directory: temporaryDirectory(t), settings: { ...database, ...limits, ...settings } };
    const registration = { REGISTRATION: 'open' };
    const server = await startServer(t, { ...run, settings: { ...run.settings, ...registration } });
    const json = { username: 'paul', password: PASSWORD };
    const registered = await send(server.origin, 'POST', '/api/v1/users/', { json });
    assert.equal(registered.status, 201, registered.text);
    const { access } = (await send(server.origin, 'POST', '/api/jwt/token/', { json })).body;
    const authorization = `Bearer ${access}`;
    for (const title of ['one', 'two']) await send(server.origin, 'POST', LIST, { json: { title }, authorization });
    const line = (header: string) => {
      const [name = '', ...value] = header.split(': ');
      return { [name]: value.join(': ') };
    };
    for (const [index, header] of forwarded.entries()) {
      const headers = line(header);
      const failed = { username: `nobody${index}`, password: 'x' };
      assert.equal((await send(server.origin, 'POST', '/api/token', { json: failed, headers })).status, 400, header);
      const list = await send(server.origin, 'GET', `${LIST}?limit=1`, { authorization, headers });
      assert.match(String(list.headers.link), new RegExp(`^<${server.origin}${LIST}\\?limit=1&cursor=`));
    }
    for (const header of forwarded) {
      const answer = await send(server.origin, 'POST', '/api/token', { json, headers: line(header) });
      assert.equal(answer.status, 429, header);
    }
    const sessions = await send(server.origin, 'GET', '/api/v1/sessions/', { authorization });
    assert.deepEqual([sessions.body.length, sessions.body[0].address], [1, '127.0.0.1']);
    const exit = once(server.child, 'close');
    server.child.kill('SIGTERM');
    await exit;
    const events = server
      .log()
      .split('\n')
      .filter((text) => text.includes('"event":"login.'));
    assert.equal(events.length, 1 + 2 * forwarded.length);
    for (const event of events) assert.equal(JSON.parse(event).address, '127.0.0.1');
    for (const told of ['192.0.2.', 'evil.example', 'script']) assert.ok(!server.log().includes(told), told);
  });
}

test('where its address is recorded it is that of the connection', async () => {
  for (const header of forwarded) {
    const [name = '', value = ''] = header.split(/: (.*)/);
    const json = { username: 'john', password: PASSWORD };
    const answer = await service.send('POST', '/api/jwt/token/', { json, headers: { [name]: value } });
    assert.equal(answer.status, 200, header);
  }
  const sessions = await prisma.session.findMany({ where: { userId: johnId } });
  assert.equal(sessions.length, 1 + forwarded.length);
  for (const { address } of sessions) assert.equal(address, '127.0.0.1');
});

const linkOf = ({ headers }: RawAnswer) => /^<([^<>]*)>; rel="next"$/.exec(headers.link ?? '')?.[1];
const limited = `${LIST}?limit=1`;
/** The origins that the link to the next page may have, '' for none; or a status instead. */
const hosts: [what: string, target: string, lines: string, origins: (string | number)[]][] = [
  ['a name', limited, 'Host: good.example\r\n', ['http://good.example']],
  ['a name and a port', limited, 'Host: good.example:8000\r\n', ['http://good.example:8000']],
  ['an IPv6 address', limited, 'Host: [::1]:8000\r\n', ['http://[::1]:8000']],
  // RFC 9112, 3.2.
  ['two Hosts', limited, 'Host: good.example\r\nHost: evil.example\r\n', [400]],
  ['the same Host twice', limited, 'Host: good.example\r\nHost: good.example\r\n', [400]],
  ['Hosts in two cases', limited, 'host: good.example\r\nHOST: evil.example\r\n', [400]],
  ['an empty Host and another', limited, 'Host:\r\nHost: evil.example\r\n', [400]],
  ['a Host on two lines', limited, 'Host: good.example\r\n .evil.example\r\n', [400]],
  ['a space before the colon', limited, 'Host : evil.example\r\n', [400]],
  ['a space before the name', limited, 'Host: good.example\r\n Host: evil.example\r\n', [400]],
  ['a carriage return in it', limited, 'Host: good.example\rX: y\r\n', [400]],
  ['none', limited, '', [400]],
  ['an empty one', limited, 'Host:\r\n', ['', 400]],
  ['a user', limited, 'Host: good.example@evil.example\r\n', ['', 400]],
  ['a user and a password', limited, 'Host: a:b@evil.example\r\n', ['', 400]],
  ['a path', limited, 'Host: evil.example/\r\n', ['', 400]],
  ['a query', limited, 'Host: evil.example?\r\n', ['', 400]],
  ['a fragment', limited, 'Host: evil.example#\r\n', ['', 400]],
  ['a backslash', limited, 'Host: evil.example\\.good.example\r\n', ['', 400]],
  ['a list', limited, 'Host: good.example, evil.example\r\n', ['', 400]],
  ['two words', limited, 'Host: good.example evil.example\r\n', ['', 400]],
  ['the end of a link', limited, 'Host: evil.example>; rel="next"\r\n', ['', 400]],
  ['another link', limited, 'Host: a>; rel="x", <http://evil.example\r\n', ['', 400]],
  ['line ends in percent codes', limited, 'Host: a%0d%0aSet-Cookie:%20a=b\r\n', ['', 400]],
  ['bytes beyond ASCII', limited, 'Host: ev\xefl.example\r\n', ['', 400]],
  ['a port that is none', limited, 'Host: good.example:99999\r\n', ['', 400]],
  ['a port in words', limited, 'Host: good.example:http\r\n', ['', 400]],
  ['an address', limited, 'Host: http://evil.example\r\n', ['', 400]],
  // RFC 9112, 3.2.2, would have the authority of the target.
  [
    'the target another',
    `http://evil.example${limited}`,
    'Host: good.example\r\n',
    ['http://good.example', 'http://evil.example'],
  ],
  [
    'the target of another scheme',
    `https://good.example${limited}`,
    'Host: good.example\r\n',
    ['http://good.example', 'https://good.example', 404],
  ],
  [
    'the target with a user',
    `http://a:b@evil.example${limited}`,
    'Host: good.example\r\n',
    ['http://good.example', 'http://evil.example', 400],
  ],
  ['the target without a host', `http://${limited}`, 'Host: good.example\r\n', [400, 404]],
  ['the target with a port that is none', `http://a:99999${limited}`, 'Host: good.example\r\n', [400, 404]],
  ['the target with two ports', `http://a:1:2${limited}`, 'Host: good.example\r\n', [400, 404]],
  ['the target with a bracket', `http://[${limited}`, 'Host: good.example\r\n', [400, 404]],
  ['the target with a percent sign', `http://%${limited}`, 'Host: good.example\r\n', [400, 404]],
  ['the target of no web', `ftp://good.example${limited}`, 'Host: good.example\r\n', [400, 404]],
  ['the target a path of two slashes', `//evil.example${limited}`, 'Host: good.example\r\n', [400, 404]],
  ['the target of a tunnel', `evil.example:80`, 'Host: good.example\r\n', [400, 404]],
  // What else of the address is in the link.
  [
    'another link in the query',
    `${limited}&a=%3E;%20rel=%22next%22,%20%3Chttp://evil.example`,
    'Host: a\r\n',
    ['http://a'],
  ],
  [
    'another link in the query, plain',
    `${limited}&a=>;rel="next",<http://evil.example`,
    'Host: a\r\n',
    ['http://a', 400],
  ],
  ['line ends in the query', `${limited}&a=%0d%0aSet-Cookie:%20a=b`, 'Host: a\r\n', ['http://a']],
  ['a path in the query', `${limited}&/../..//evil.example/`, 'Host: a\r\n', ['http://a']],
];
test('the link to the next page goes to where the request came', async (t) => {
  for (const [what, target, lines, origins] of hosts) {
    await t.test(`Host: ${what}`, async () => {
      const answer = await ask(`GET ${target} HTTP/1.1\r\n${lines}${asPaul}${CLOSE}\r\n`);
      assert.equal(answer.headers['set-cookie'], undefined);
      if (answer.status !== 200) {
        assert.ok(origins.includes(answer.status), `${answer.status} ${answer.text}`);
        assert.deepEqual(Object.keys(answer.body), ['detail']);
        return;
      }
      const link = linkOf(answer);
      assert.ok(link !== undefined, answer.headers.link);
      assert.ok(
        origins.some((origin) => link.startsWith(`${origin}${LIST}?limit=1&`)),
        `${link} ${origins}`,
      );
    });
  }
  await t.test('HTTP/1.0 without a Host', async () => {
    const answer = await ask(`GET ${limited} HTTP/1.0\r\n${asPaul}\r\n`);
    assert.ok(linkOf(answer)?.startsWith(`${LIST}?`), answer.headers.link);
  });
});

// What a trusted proxy hands on that it did not make itself.
const behindProxy: [what: string, line: string, origins: string[]][] = [
  ['https', 'X-Forwarded-Proto: https\r\n', ['https://x']],
  ['another name', 'X-Forwarded-Host: good.example\r\n', ['http://good.example']],
  ['several names', 'X-Forwarded-Host: evil.example, good.example\r\n', ['http://good.example']],
  ['no protocol of the web', 'X-Forwarded-Proto: javascript\r\n', ['', 'http://x']],
  ['no protocol of the web, another', 'X-Forwarded-Proto: data\r\n', ['', 'http://x']],
  ['no protocol at all', 'X-Forwarded-Proto: https://evil.example/?\r\n', ['', 'http://x']],
  ['two links', 'X-Forwarded-Proto: https://evil.example>; rel="x", <http\r\n', ['', 'http://x']],
  ['a user', 'X-Forwarded-Host: a@evil.example\r\n', ['', 'http://x']],
  ['a path', 'X-Forwarded-Host: evil.example/a\r\n', ['', 'http://x']],
  ['the end of a link', 'X-Forwarded-Host: a>; rel="next"\r\n', ['', 'http://x']],
];
test('a link behind a trusted proxy is one of the web', async (t) => {
  const { DATABASE_URL } = service.app.config;
  const proxied = await build(t, { DATABASE_URL, TRUST_PROXY: '127.0.0.1' });
  for (const [what, line, origins] of behindProxy) {
    await t.test(what, async () => {
      const answer = await exchange(proxied.origin, get(limited, `${line}${asPaul}${CLOSE}`));
      const link = linkOf(answer);
      assert.ok(link !== undefined && origins.some((origin) => link.startsWith(`${origin}${LIST}?`)), `${link}`);
    });
  }
});

test('what a trusted proxy says of the address counts, whatever the client sends before it', async (t) => {
  const { DATABASE_URL } = service.app.config;
  const proxied = await build(t, { DATABASE_URL, TRUST_PROXY: '127.0.0.1' });
  const rows: [what: string, lines: string][] = [
    ['nothing', ''],
    ['another address', 'X-Forwarded-For: 198.51.100.7\r\n'],
    ['that of the proxy', 'X-Forwarded-For: 127.0.0.1\r\n'],
    ['what is no address', 'X-Forwarded-For: , x, ,\r\n'],
    ['a thousand addresses', `X-Forwarded-For: ${'198.51.100.7, '.repeat(1000)}::1\r\n`],
    ['thousands of headers', `X-Forwarded-For: 198.51.100.7\r\n${'A:\r\n'.repeat(5000)}`],
  ];
  const body = JSON.stringify({ username: 'paul', password: PASSWORD });
  for (const [what, lines] of rows) {
    await t.test(what, async () => {
      await prisma.session.deleteMany();
      const told = 'X-Forwarded-For: 192.0.2.1\r\n';
      const answer = await exchange(
        proxied.origin,
        post(`${lines}${told}${lengthOf(body)}${CLOSE}`, body, '/api/jwt/token/'),
      );
      if (answer.status === 431) return;
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(
        (await prisma.session.findMany()).map(({ address }) => address),
        ['192.0.2.1'],
      );
    });
  }
});

test('requests in one piece have their own answers, in their order', async (t) => {
  /** What of the answers tells whose they are. */
  const read = ({ status, text }: RawAnswer) =>
    [...`HTTP/1.1 ${status} \r\n\r\n${text}`.matchAll(/HTTP\/1\.1 (\d{3}) |"username":"(\w+)"/g)].map(
      ([, code, name]) => name ?? Number(code),
    );
  const rows: [what: string, bytes: string, told: (string | number)[]][] = [
    [
      'of several users and nobody',
      [asPaul, asJohn, '', asPaul, '', asJohn].map((lines) => get(ME, lines)).join('') + get(ME, CLOSE),
      [200, 'paul', 200, 'john', 401, 200, 'paul', 401, 200, 'john', 401],
    ],
    [
      'fast ones after slow ones',
      post('', '', '/api/token').replace(asPaul, `${asPaul}${lengthOf('{"username":"paul","password":"x"}')}`) +
        `{"username":"paul","password":"x"}${get(ME, asPaul)}${get(ME, asJohn + CLOSE)}`,
      [400, 200, 'paul', 200, 'john'],
    ],
    ['after one that is malformed there are none', `${get(ME)}A B C\r\n\r\n${get(ME, asPaul)}`, [401, 400]],
    ['after one that closes there are none', get(ME, CLOSE) + get(ME, asPaul + CLOSE), [401]],
    ['after one of HTTP/1.0 there are none', get(ME).replace('1.1', '1.0') + get(ME, asPaul + CLOSE), [401]],
    [
      'without a body where one may have one',
      `POST ${LIST} HTTP/1.1\r\nHost: x\r\n${asPaul}\r\n${get(ME, asJohn + CLOSE)}`,
      [400, 200, 'john'],
    ],
  ];
  for (const [what, bytes, told] of rows) {
    await t.test(what, async () => {
      // An error may overtake an answer, and then closes the connection; never does one take another's place.
      const answers = read(await ask(bytes));
      if (!told.every((value, index) => answers[index] === value)) assert.deepEqual(answers, [400]);
      assert.ok(answers.length <= told.length, String(answers));
    });
  }
  await t.test('a thousand at once', async () => {
    const bytes = Array.from({ length: 999 }, (_, i) => get(ME, [asPaul, asJohn, ''][i % 3])).join('');
    const answers = read(await ask(bytes + get(ME, CLOSE)));
    const own = [[200, 'paul'], [200, 'john'], [401]];
    let answered = 0;
    for (let i = 0; i < 1000; i++) {
      // So many may be more than a slow machine can answer soon; one that is refused is refused in its place.
      if (answers[0] === 503) answers.shift();
      else {
        const expected = i < 999 ? (own[i % 3] as (string | number)[]) : [401];
        assert.deepEqual(answers.splice(0, expected.length), expected, `request ${i}`);
        answered++;
      }
    }
    assert.deepEqual(answers, []);
    assert.ok(answered >= 3, String(answered));
  });
  await t.test('byte by byte', async () => {
    const bytes = get(ME, asPaul) + get(ME, asJohn + CLOSE);
    assert.deepEqual(read(await ask(...bytes)), [200, 'paul', 200, 'john']);
  });
});

/** Other ways to write a path; none may be another way in. */
function disguises(path: string): string[] {
  const [, first = '', ...rest] = path.split('/');
  const tail = rest.join('/');
  const beginnings = [
    ...['/', '//', '/./', '/.//', '/x/../', '/../', '/healthz/../', '/docs/../', '/docs/static/../../', '/healthz/'],
    ...[
      '/%2e/',
      '/x/%2e%2e/',
      '/docs/%2e%2e/',
      '/healthz/..%2f',
      '/healthz%2f..%2f',
      '/docs/..%5c',
      '/docs/static/..%2f..%2f',
    ],
    ...['/%2f', '/%5c', '\\', '/\\', '/..;/', '/healthz;/', '/healthz/..;/', '/;/', '/%00/', '/%20', '/%09', '/%0d%0a'],
    ...[
      '/%c0%af',
      '/%c0%ae%c0%ae/',
      '/%e0%80%af',
      '/%252e%252e/',
      '/%252f',
      '/%ef%bc%8f',
      '/%u002f',
      '/~/',
      '/*',
      '/api/..',
    ],
    ...[
      '',
      '?/',
      '#/',
      '/?',
      '/#',
      '@/',
      'http:/',
      'http://x//',
      'http://x/./',
      'http://x\\',
      'file://',
      'javascript:/',
    ],
  ];
  const endings = [
    ...['//', '/.', '/./', '/..', '/../', '/x/..', '/%2e', '/%2e%2e', '%2f', '%2f%2f', '%5c', '\\', ';', ';x=1', '/;/'],
    ...['%00', '%00.json', '.json', '.html', '.css', '~', '*', '%20', '%09', '%0a', '%0d%0a', '%0d%0aX:%20y', '/%00'],
    ...[
      '%c0%af',
      '%e0%80%af',
      '%f0%80%80%af',
      '%252f',
      '%ff',
      '%',
      '%2',
      '%zz',
      '/%2e%2e%2f',
      '%3f',
      '%23',
      '%3b',
      '%26',
    ],
    ...[
      '?',
      '?/../../healthz',
      '??',
      '?;/',
      '#',
      '#/../healthz',
      '/?x',
      '&',
      ',',
      "'",
      '"',
      '|',
      '^',
      '{}',
      '/healthz',
    ],
  ];
  const cases = [
    path.toUpperCase(),
    path.replace('api', 'Api'),
    path.replace('v1', 'V1'),
    path.replace(/\w/g, escaped),
  ];
  const inside = [
    ...[
      path.replaceAll('/', '//'),
      path.replaceAll('/', '/./'),
      path.replace('/v1', '/x/../v1'),
      path.replace('/v1', '%2fv1'),
    ],
    ...[
      path.replace('/v1', '\\v1'),
      path.replace('/v1', '/v1;x'),
      path.replace('/v1', ';/v1'),
      path.replace('v1', 'v%31'),
    ],
    ...[
      path.replace('v1', 'v1%00'),
      path.replace('v1', 'v1%20'),
      path.replace('v1', 'v\u00b9'),
      path.replace('v1', '%u0076'),
    ],
  ];
  return [
    ...beginnings.map((beginning) => `${beginning}${first}/${tail}`),
    ...endings.map((ending) => path + ending),
    ...cases,
    ...inside,
  ];
}
function escaped(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16)}`;
}

test('a protected path in disguise is that path, or none', async (t) => {
  const { body } = await service.send('GET', '/openapi.json');
  const secured = Object.entries(body.paths as Record<string, Record<string, { security?: object[] }>>)
    .filter(([, operations]) => Object.values(operations).some(({ security = [] }) => security.length > 0))
    .map(([path]) => path.replace('{id}', path.includes('sessions') ? 'f'.repeat(32) : '1'));
  assert.ok(secured.length >= 12);
  for (const path of secured) {
    await t.test(path, async () => {
      const plain = await ask(get(path, asPaul + CLOSE));
      const written = [...new Set(disguises(path))];
      for (const target of written) {
        const request = (lines = '') => Buffer.from(`GET ${target} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`);
        const anonymous = await line.ask(request());
        // Without credentials there is nothing but the refusal and what is no path of these.
        assert.ok([400, 401, 404].includes(anonymous.status), `${target}: ${anonymous.status} ${anonymous.text}`);
        assert.deepEqual(Object.keys(anonymous.body), ['detail'], target);
        const answer = await line.ask(request(asPaul));
        if (![400, 404].includes(answer.status)) {
          assert.deepEqual([answer.status, answer.body], [plain.status, plain.body], target);
        } else if (answer.status === 404) assert.deepEqual(answer.body, NOT_FOUND, target);
      }
    });
  }
});

test('the files of the documentation are all that is served of the disk', async (t) => {
  const up = ['..', '.%2e', '%2e%2e', '..%2f..', '..%5c..', '%252e%252e', '%c0%ae%c0%ae', '..;', '....', '..\\..'];
  const files = ['package.json', 'LICENSE', 'etc/passwd', 'data/todo.db', '.env', 'dist/src/app.js'];
  const between = ['/', '%2f', '//', '\\', '%5c', '%00/'];
  for (const step of up) {
    await t.test(step, async () => {
      for (const separator of between) {
        for (const file of files) {
          const climbed = (step + separator).repeat(8) + file;
          for (const target of [`/docs/static/${climbed}`, `/docs/${climbed}`, `/${climbed}`]) {
            const answer = await line.ask(get(target));
            assert.ok([400, 404].includes(answer.status), `${target}: ${answer.status} ${answer.text}`);
            assert.ok(!/root:|"name"|MIT|SQLite|SECRET/.test(answer.text), target);
          }
        }
      }
    });
  }
});
