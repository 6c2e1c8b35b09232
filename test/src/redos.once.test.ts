import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { check } from 'recheck';
import { packagePath } from '../../src/package.ts';
import type { SendOptions } from '../helper.ts';

interface Pattern {
  source: string;
  flags: string;
  where: string;
}

const BLANK = /(?:\s+|\/\/.*|\/\*[\s\S]*?\*\/)/y;
const WORD = /[\w$]+/y;
const STRING = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y;
const REGEX = /\/(?![/*])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
// Of a template, up to its end or the code in it.
const TEMPLATE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const BEFORE_REGEX = /^(?:|return|typeof|case|in|of|new|delete|void|throw|await|yield|else|do|[^\w$)\]}'"`].*)$/;

/** The words, strings, regular expressions and signs of TypeScript code; of templates, the code in them. */
function readTokens(code: string): string[] {
  const tokens: string[] = [];
  const templates: number[] = [];
  let braces = 0;
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [found] = pattern.exec(code) ?? [];
    at += found?.length ?? 0;
    return found;
  };
  while (at < code.length) {
    if (take(BLANK)) continue;
    const sign = code[at] as string;
    const goesOn = sign === '}' && templates.at(-1) === braces;
    if (sign === '`' || goesOn) {
      at++;
      if (goesOn) templates.pop();
      const opens = take(TEMPLATE)?.endsWith('{');
      if (opens) templates.push(braces);
      tokens.push(opens ? '{' : '`');
      continue;
    }
    const isRegex = sign === '/' && BEFORE_REGEX.test(tokens.at(-1) ?? '');
    const token = (isRegex ? take(REGEX) : undefined) ?? take(WORD) ?? take(STRING);
    if (token === undefined) at++;
    if (sign === '{') braces++;
    if (sign === '}') braces--;
    tokens.push(token ?? sign);
  }
  return tokens;
}

/** The literals, and the strings that are the `pattern` of a schema. */
function readPatterns(code: string, where = ''): Pattern[] {
  const tokens = readTokens(code);
  return tokens.flatMap((token, index): Pattern[] => {
    const [, source, flags] = /^\/(.+)\/([a-z]*)$/.exec(token) ?? [];
    if (source !== undefined && flags !== undefined) return [{ source, flags, where }];
    const isPattern = /^['"]/.test(token) && tokens[index - 1] === ':' && tokens[index - 2] === 'pattern';
    return isPattern ? [{ source: token.slice(1, -1).replace(/\\(.)/g, '$1'), flags: 'u', where }] : [];
  });
}

const files = ['src', 'plugins', 'routes'].flatMap((room) =>
  readdirSync(packagePath(room), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('generated'))
    .map((name) => join(room, name)),
);
const codes = files.map((file): [string, string] => [file, readFileSync(packagePath(file), 'utf8')]);

// Those that are put together, and those of the schemas and the routes, are caught as they are made.
const constructed: Pattern[] = [];
const Original = globalThis.RegExp;
globalThis.RegExp = new Proxy(Original, {
  construct(target, [source, flags]) {
    const made = new target(source, flags);
    const frames = new Error().stack?.split('\n').slice(2) ?? [];
    const where = frames.find((frame) => !frame.includes('node:internal'))?.trim() ?? '';
    if (!/\/(node_modules|src\/vendor)\//.test(where) || /^at (defaultRegExp|Router\.)/.test(where)) {
      constructed.push({ source: made.source, flags: made.flags, where });
    }
    return made;
  },
});
const { addUser, build, configure, logIn, makeDatabase, PASSWORD, send, temporaryDirectory } = await import(
  '../helper.ts'
);
const { startServer } = await import('./helper.ts');
const { ConfigError } = await import('../../src/config.ts');
const common = { REGISTRATION: 'open', CORS_ORIGINS: 'https://app.example', TRUST_PROXY: '127.0.0.1' };
const service = await build({ after: after as TestContext['after'] }, common);
await addUser(service, 'paul');
const { token } = await logIn(service, 'paul');
globalThis.RegExp = Original;

const snippets: [code: string, patterns: string[]][] = [
  ['const A = /a/;', ['a']],
  ['const A = /a/giu.test(b) && !/c/.test(d)', ['a', 'c']],
  ['f(/a/, /b/i)', ['a', 'b']],
  ['return /a/', ['a']],
  ['[/a/, ...b]', ['a']],
  ['(x) => /a/.exec(x)', ['a']],
  ['x ? /a/ : /b/', ['a', 'b']],
  ['/[/]/', ['[/]']],
  ['/[\\]/]\\//', ['[\\]/]\\/']],
  ['a / b / c', []],
  ['f(a) / b / c[0] / d', []],
  ['a /= b', []],
  ['// /a/', []],
  ['/* /a/ */ /b/', ['b']],
  ['\'/a/\' + "/b/"', []],
  ["'\\'' + /a/", ['a']],
  ['`/a/`', []],
  [`\`\${b.replace(/a/, \`\${/c/}\`)} /d/\` + /e/`, ['a', 'c', 'e']],
  [`\`\${{ a: 1 }} /b/\` + /c/`, ['c']],
  ["{ pattern: '^\\\\d$', description: '^a$' }", ['^\\d$']],
];
for (const [code, patterns] of snippets) {
  test(`what stands in the code is found: ${code}`, () => {
    assert.deepEqual(
      readPatterns(code).map(({ source }) => source),
      patterns,
    );
  });
}

test('every pattern of the service takes time in proportion to its text', async (t) => {
  const patterns = [...codes.flatMap(([file, code]) => readPatterns(code, file)), ...constructed];
  // `/` is written in more than one way.
  const different = new Map(patterns.map((pattern) => [String(new RegExp(pattern.source, pattern.flags)), pattern]));
  assert.ok(different.size > 40, [...different.keys()].join('\n'));
  for (const [literal, { source, flags, where }] of different) {
    await t.test(`${literal} of ${where}`, async () => {
      // `unknown` is not good enough.
      const found = await check(source, flags, { timeout: 60_000 });
      assert.equal(found.status, 'safe', found.status === 'vulnerable' ? found.attack.pattern : 'not proven');
    });
  }
});

// What is searched for, with nothing in it that is special.
const LITERAL = join('src', 'database', 'words.ts');

test('those of schemas and of routes are among them', () => {
  for (const maker of ['defaultRegExp', 'Router.']) {
    assert.ok(
      constructed.some(({ where }) => where.startsWith(`at ${maker}`)),
      maker,
    );
  }
});

test('every pattern that is put together is put together at the start', () => {
  const written = codes
    .flatMap(([file, code]) => {
      const tokens = readTokens(code);
      return tokens.flatMap((token, index) => (token === 'RegExp' && tokens[index + 1] === '(' ? [file] : []));
    })
    .filter((file) => file !== LITERAL);
  const own = constructed.filter(({ where }) => !/\/(node_modules|src\/vendor)\//.test(where));
  assert.equal(new Set(own.map(({ where }) => where)).size, written.length, `of ${written}`);
});

test('a pattern that takes more is found', async () => {
  for (const source of ['^(a+)+$', '^(a|a)*$', '^(?:a*)*b$', '\\s+$', '^a*a*$', '^\\d+\\d+$', '^(.*),(.*)$,']) {
    assert.equal((await check(source, '')).status, 'vulnerable', source);
  }
});

const KIB256 = 256 * 1024 - 200;
const fill = (unit: string, bytes = KIB256) => unit.repeat(Math.floor(bytes / Buffer.byteLength(unit)));
// Marks that stand in another order than Unicode's: to sort them takes the square of their number.
const MARKS = `a${fill('\u0345', KIB256 / 2)}${fill('\u031b', KIB256 / 2)}`;
const OTHER_MARKS = `a${fill('\u0315\u0300')}`;
const LIST = '/api/v1/todo/';
const TOKENS = '/api/v1/tokens/';
const USERS = '/api/v1/users/';

type Ask = (n: number) => [method: string, path: string, options: SendOptions];
const anonymous =
  (path: string, fields: (n: number) => object): Ask =>
  (n) => ['POST', path, { json: fields(n), headers: { 'x-forwarded-for': `192.0.2.${n}` } }];
const login = (username: string) => anonymous('/api/token', () => ({ username, password: 'x' }));
const register = (fields: object) => anonymous(USERS, (n) => ({ username: `new${n}`, password: PASSWORD, ...fields }));
const authorization = `Token ${token}`;
const write =
  (path: string, json: object): Ask =>
  () => ['POST', path, { json, authorization }];
const read =
  (query: string, headers: Record<string, string> = {}): Ask =>
  () => ['GET', LIST + query, { authorization, headers }];
const typed =
  (type: string, body: string): Ask =>
  () => ['POST', LIST, { headers: { 'content-type': type }, body, authorization }];
const HEADER = 15_000;

// Sent several times, one after the other: what takes seconds then takes too long.
const hostile: [what: string, times: number, ask: Ask][] = [
  ['a title of spaces', 5, write(LIST, { title: fill(' ') })],
  ['a title between spaces', 5, write(LIST, { title: `a${fill(' ', KIB256 - 2)}b` })],
  ['a title between other spaces', 5, write(LIST, { title: `a${fill('\u3000', KIB256 - 2)}b` })],
  ['a title and a NUL', 5, write(LIST, { title: `${fill('a', KIB256 - 6)}\0` })],
  ['a title and a lone surrogate', 5, typed('application/json', `{"title": "${fill('a', KIB256 - 6)}\\ud800"}`)],
  ['a title of marks', 5, write(LIST, { title: MARKS })],
  ['a date of digits', 5, write(LIST, { title: 'a', date_created: fill('1') })],
  ['a date of dates', 5, write(LIST, { title: 'a', date_created: fill('2020-01-') })],
  ['a date of dashes', 5, write(LIST, { title: 'a', date_created: `2020${fill('-')}` })],
  ['a boolean of letters', 5, write(LIST, { title: 'a', is_completed: fill('t') })],
  ['a number of digits', 5, typed('application/json', `{"title": ${fill('1', KIB256)}}`)],
  ['a number of noughts', 5, typed('application/json', `{"title": -${'0'.repeat(1)}.${fill('0', KIB256)}1e-5}`)],
  ['a time of digits', 5, write(TOKENS, { name: 'a', expires_at: fill('1') })],
  ['a time of a long fraction', 5, write(TOKENS, { name: 'a', expires_at: `2999-01-01T00:00:00.${fill('1')}Z` })],
  ['a time and spaces', 5, write(TOKENS, { name: 'a', expires_at: `2999-01-01T00:00${fill(' ')}Z` })],
  ['a time of offsets', 5, write(TOKENS, { name: 'a', expires_at: `2999-01-01T00:00${fill('+00:00')}` })],
  ['scopes of spaces', 5, write(TOKENS, { name: 'a', scopes: `${fill(' ', KIB256 - 2)}x` })],
  ['scopes of letters', 5, write(TOKENS, { name: 'a', scopes: fill('a ') })],
  ['a limit of digits', 5, read(`?limit=${fill('1', HEADER)}x`)],
  ['a limit of spaces', 5, read(`?limit=1${fill('+', HEADER)}1`)],
  ['a cursor of digits', 5, read(`?cursor=${Buffer.from(`after:${fill('1', 10_000)}x`).toString('base64url')}`)],
  ['a Host of letters', 5, read('?limit=1', { host: `${fill('a', HEADER)}/` })],
  ['a Host of dots', 5, read('?limit=1', { host: `${fill('a.', HEADER)}:` })],
  ['a Host of colons', 5, read('?limit=1', { host: `[${fill('::1', HEADER)}` })],
  ['a Host of digits', 5, read('?limit=1', { host: `a:${fill('1', HEADER)}x` })],
  ['an origin of letters', 5, read('', { origin: `https://${fill('a', HEADER)}` })],
  ['a token of spaces', 5, () => ['GET', LIST, { authorization: `Token${fill(' \t', HEADER)}x` }]],
  ['a token of hexadecimal digits', 5, () => ['GET', LIST, { authorization: `Token ${fill('0', HEADER)}x` }]],
  ['a JWT of dots', 5, () => ['GET', LIST, { authorization: `Bearer ${fill('.', HEADER)}x` }]],
  ['an id of digits', 5, () => ['GET', `${LIST}${fill('1', HEADER)}x/`, { authorization }]],
  ['an id of hexadecimal digits', 5, () => ['DELETE', `/api/v1/sessions/${fill('f', HEADER)}x/`, { authorization }]],
  ['a path of slashes', 5, () => ['GET', `${fill('/', HEADER)}x`, {}]],
  ['a type of spaces', 5, typed(`application/json${fill(' ', HEADER)}x`, '{"title": "a"}')],
  ['a type of parameters', 5, typed(`application/json${fill('; a=b', HEADER)}`, '{"title": "a"}')],
  ['a boundary of quotes', 5, typed(`multipart/form-data; boundary="${fill('\\"', HEADER)}`, '--b--\r\n')],
  ['a form of percent signs', 5, typed('application/x-www-form-urlencoded', `title=${fill('%')}`)],
  ['a form of plus signs', 5, typed('application/x-www-form-urlencoded', `title=${fill('+')}`)],
  [
    'an address of brackets',
    3,
    () => [
      'POST',
      '/api/token',
      { json: { username: 'a', password: 'b' }, headers: { 'x-forwarded-for': `[${fill(']:1', HEADER)}` } },
    ],
  ],
  [
    'an address of digits',
    3,
    () => [
      'POST',
      '/api/token',
      {
        json: { username: 'a', password: 'b' },
        headers: { 'x-forwarded-for': `${fill('1.', HEADER)}:${'1'.repeat(500)}x` },
      },
    ],
  ],
  [
    'an address of colons',
    3,
    () => [
      'POST',
      '/api/token',
      { json: { username: 'a', password: 'b' }, headers: { 'x-forwarded-for': fill('0:', HEADER) } },
    ],
  ],
  ['a name of letters at a login', 3, login(fill('a'))],
  ['a name of spaces at a login', 3, login(`a${fill(' ', KIB256 - 2)}b`)],
  ['a name of marks at a login', 4, login(MARKS)],
  ['a name of other marks at a login', 4, login(OTHER_MARKS)],
  ['a name of marks at the other login', 4, anonymous('/api/jwt/token/', () => ({ username: MARKS, password: 'x' }))],
  ['a new name of signs', 1, register({ username: `${fill('a.', 149)}!` })],
  ['a new name of marks', 2, register({ username: MARKS })],
  ['a new address of dots', 1, register({ email: `${fill('a.', 120)}@${fill('a.', 130)}@` })],
  ['a new address of signs', 1, register({ email: fill('a@', 254) })],
  ['a new address of 256 KB', 1, register({ email: `a@${fill('a.')}` })],
  ['a new password of digits', 1, register({ password: `${fill('1', KIB256 - 1)}x` })],
  ['a new password of marks', 3, register({ password: MARKS })],
  ['a new password of signs for letters', 1, register({ password: fill('4@8({[<36901!|7$5+%2') })],
  ['a new password of dates', 1, register({ password: fill('11/11/11') })],
  [
    'another password of marks',
    3,
    () => [
      'POST',
      '/api/v1/users/me/password/',
      { authorization, json: { current_password: PASSWORD, new_password: MARKS } },
    ],
  ],
  ['a refresh token of letters', 5, anonymous('/api/jwt/token/refresh/', () => ({ refresh: fill('a') }))],
  ['a refresh token of dots', 5, anonymous('/api/jwt/token/refresh/', () => ({ refresh: fill('a.') }))],
];

// The server is another process: one that does not answer in time is ended, for the sake of what comes after.
test('whatever is sent is answered', async (t) => {
  const { DATABASE_URL } = service.app.config;
  const limits = { LOGIN_THROTTLE: 'on', LOGIN_FAILURES_PER_USER: '1000', LOGIN_FAILURES_PER_ADDRESS: '1000' };
  const run = { directory: temporaryDirectory(t), settings: { ...limits, ...common, DATABASE_URL } };
  let server = await startServer(t, run);
  let n = 0;
  for (const [what, times, ask] of hostile) {
    let answered = 0;
    await t.test(what, { timeout: 20_000 }, async ({ signal }) => {
      while (answered < times && !signal.aborted) {
        const [method, path, options] = ask(++n);
        const { status, text } = await send(server.origin, method, path, options);
        assert.ok(status < 500, `${status} ${text}`);
        answered++;
      }
    });
    if (answered === times) continue;
    server.child.kill('SIGKILL');
    server = await startServer(t, run);
  }
});

const MEGABYTE = 1024 * 1024;
const settings: [name: string, value: string][] = [
  ['DATABASE_URL', `file:${fill('a', MEGABYTE)}?`],
  ['DATABASE_URL', fill('postgres', MEGABYTE)],
  ['CORS_ORIGINS', `${fill('https://a,', MEGABYTE)}x`],
  ['CORS_ORIGINS', `https://${fill('a', MEGABYTE)} b`],
  ['CORS_ORIGINS', `${fill('http', MEGABYTE)}://`],
  ['TRUST_PROXY', `${fill('1/1,', MEGABYTE)}x`],
  ['TRUST_PROXY', `${fill('1', MEGABYTE)}x`],
  ['TRUST_PROXY', `1/${fill('1', MEGABYTE)}x`],
  ['TRUST_PROXY', `${fill('::', MEGABYTE)}/`],
];
test('a setting of a megabyte is refused', async (t) => {
  const database = await makeDatabase(t);
  for (const [name, value] of settings) {
    await t.test(`${name}: ${value.slice(0, 20)}`, () => {
      assert.throws(() => configure({ ...database, [name]: value }), ConfigError);
    });
  }
});
