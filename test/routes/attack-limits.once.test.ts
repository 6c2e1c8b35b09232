import assert from 'node:assert/strict';
import { once } from 'node:events';
import http, { type RequestListener, type ServerOptions } from 'node:http';
import { connect } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { addUser, build, logIn, PASSWORD, type TestApp, until } from '../helper.ts';
import { chunked, type END, exchange, keepLine } from '../plugins/helper-socket.ts';

const LIMIT = 256 * 1024;
const LIST = '/api/v1/todo/';
const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const MULTIPART_TYPE = 'multipart/form-data; boundary=b';

const service = await build({ after: after as TestContext['after'] }, { REGISTRATION: 'open' });
const { prisma } = service.app;
const { id: paulId } = await addUser(service, 'paul');
const paul = await logIn(service, 'paul');
const authorization = `Token ${paul.token}`;
const common = `Host: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n`;

type Part = string | Buffer | typeof END;
const get = (path: string, lines = '') => `GET ${path} HTTP/1.1\r\n${common}${lines}\r\n`;
/** A request with a body of this type, its length told. */
function post(type: string, body: string | Buffer, lines = '', path = LIST): Part[] {
  const bytes = Buffer.from(body);
  const head = `POST ${path} HTTP/1.1\r\n${common}Content-Type: ${type}\r\n${lines}`;
  return [`${head}Content-Length: ${bytes.length}\r\n\r\n`, bytes];
}
const inChunks = (type: string, ...parts: string[]): Part[] => [
  `POST ${LIST} HTTP/1.1\r\n${common}Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  chunked(...parts),
];
const inBytes = (type: string, body: string): Part[] => [
  inChunks(type)[0] as string,
  `${body.replace(/[\s\S]/g, '1\r\n$&\r\n')}0\r\n\r\n`,
];
const json = (body: string | Buffer, lines?: string, path?: string) => post(JSON_TYPE, body, lines, path);
const form = (body: string | Buffer) => post(FORM_TYPE, body);
const parts = (body: string | Buffer, type = MULTIPART_TYPE) => post(type, body);

/** A right body of so many bytes. */
const sized = (bytes: number) => '{"title": "a", "x": ""}'.replace('""', `"${'x'.repeat(bytes - 23)}"`);
const fill = (unit: string, frame = '') => unit.repeat(Math.floor((LIMIT - frame.length) / Buffer.byteLength(unit)));
const field = (name: string, value: string, lines = '') =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n${lines}\r\n${value}\r\n`;
const file = (name: string, value: string) => field(name, value).replace('"\r\n', '"; filename="a"\r\n');
const deep = (levels: number, open = '[', close = ']') => open.repeat(levels) + close.repeat(levels);
const numbers = (count: number, step: number) => Array.from({ length: count }, (_, i) => `"${i * step}":0`).join(',');
const segment = (text: string) => Buffer.from(text).toString('base64url');
const TITLE = field('title', 'a');
const BOMB = Buffer.concat(Array(10).fill(gzipSync(Buffer.alloc(10 * 1024 * 1024, '{"title": "a", '))));
const LOGIN = '/api/token';
const loginAs = (username: string, password = 'x') => json(JSON.stringify({ username, password }), '', LOGIN);

// With 0 the connection is closed: where a body is not read to its end its answer may be lost.
type Row = [what: string, statuses: number[], bytes: Part[]];

const sizes: Row[] = [
  ['a body of the greatest size', [201], json(sized(LIMIT))],
  ['a byte more', [413, 0], json(sized(LIMIT + 1))],
  ['a byte more, told and not sent', [413], [json(sized(LIMIT + 1))[0] as string]],
  ['a length of a gigabyte', [413], [json('')[0]?.toString().replace('Length: 0', 'Length: 1073741824') as string]],
  [
    'a length beyond whole numbers',
    [400, 413],
    [
      json('')[0]
        ?.toString()
        .replace('Length: 0', `Length: ${2 ** 53}`) as string,
    ],
  ],
  ['the greatest size in chunks', [201], inChunks(JSON_TYPE, sized(LIMIT))],
  ['the greatest size in chunks of a byte', [201], inBytes(JSON_TYPE, sized(LIMIT))],
  ['a byte more, in chunks', [413, 0], inChunks(JSON_TYPE, sized(LIMIT + 1))],
  ['a byte more, in chunks of a byte', [413, 0], inBytes(JSON_TYPE, sized(LIMIT + 1))],
  ['megabytes in chunks', [413, 0], inChunks(JSON_TYPE, ...Array.from({ length: 64 }, () => 'x'.repeat(65_536)))],
  ['a chunk of which most is to come', [413], [inChunks(JSON_TYPE)[0] as string, 'fffffff\r\n', 'x'.repeat(300_000)]],
  [
    'a chunk extension of 20 KB',
    [400, 413],
    [inChunks(JSON_TYPE)[0] as string, `1;${'a'.repeat(20_000)}\r\nx\r\n0\r\n\r\n`],
  ],
  ['a trailer of 20 KB', [400, 413, 431], [inChunks(JSON_TYPE)[0] as string, `0\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`]],
  [
    'too large where no body is read',
    [200, 413, 0],
    [`${get(LIST).slice(0, -2)}Content-Length: 300000\r\n\r\n`, 'x'.repeat(300_000)],
  ],
];

// No encoding of a body is undone: its bytes are what they are.
const compressed: Row[] = [
  ['JSON by gzip', [400], json(gzipSync('{"title": "a"}'), 'Content-Encoding: gzip\r\n')],
  ['JSON by deflate', [400], json(deflateSync('{"title": "a"}'), 'Content-Encoding: deflate\r\n')],
  ['JSON by brotli', [400], json(brotliCompressSync('{"title": "a"}'), 'Content-Encoding: br\r\n')],
  ['100 MB by gzip', [400], json(BOMB, 'Content-Encoding: gzip\r\n')],
  ['100 MB by gzip, twice', [400], json(gzipSync(BOMB), 'Content-Encoding: gzip, gzip\r\n')],
  ['a form by gzip', [400], post(FORM_TYPE, gzipSync('title=a'), 'Content-Encoding: gzip\r\n')],
  ['multipart by gzip', [400], post(MULTIPART_TYPE, gzipSync(`${TITLE}--b--\r\n`), 'Content-Encoding: gzip\r\n')],
  ['a part by gzip', [201], parts(`${field('title', 'a', 'Content-Encoding: gzip\r\n')}--b--\r\n`)],
  ['by gzip, and is not', [201], json('{"title": "a"}', 'Content-Encoding: gzip\r\n')],
];

const headers: Row[] = [
  ['a header of 15 KB', [200], [get(LIST, `A: ${'x'.repeat(15_000)}\r\n`)]],
  ['a header of 17 KB', [431], [get(LIST, `A: ${'x'.repeat(17_000)}\r\n`)]],
  ['a header of a megabyte', [431, 0], [get(LIST, `A: ${'x'.repeat(1_000_000)}\r\n`)]],
  ['a name of 17 KB', [431], [get(LIST, `${'x'.repeat(17_000)}: a\r\n`)]],
  ['1,500 headers', [200], [get(LIST, Array.from({ length: 1500 }, (_, i) => `A${i}: b\r\n`).join(''))]],
  ['10,000 headers', [431], [get(LIST, Array.from({ length: 10_000 }, (_, i) => `A${i}: b\r\n`).join(''))]],
  // Of many headers none may be lost: all count, or the request is refused.
  ['10,000 empty ones', [200, 431], [get(LIST, 'A:\r\n'.repeat(10_000))]],
  [
    '10,000 empty ones before the credentials',
    [200, 431],
    [get(LIST).replace('Auth', `${'A:\r\n'.repeat(10_000)}Auth`)],
  ],
  ['10,000 empty ones before the Host', [200, 431], [get(LIST).replace('Host', `${'A:\r\n'.repeat(10_000)}Host`)]],
  ['3,000 empty ones before the length', [201, 431], json('{"title": "a"}', 'A:\r\n'.repeat(3000))],
  ['a header 1,000 times', [200], [get(LIST, 'Accept: */*\r\n'.repeat(1000))]],
  ['names of objects', [200], [get(LIST, '__proto__: a\r\nconstructor: b\r\ntoString: c\r\nhasOwnProperty: d\r\n')]],
  ['a cookie of 15 KB', [200], [get(LIST, `Cookie: ${'a=b; '.repeat(3000)}\r\n`)]],
  ['a cookie of 17 KB', [431], [get(LIST, `Cookie: ${'a=b; '.repeat(3400)}\r\n`)]],
  ['a Host of 15 KB', [200, 400], [get(LIST).replace('Host: x', `Host: ${'x'.repeat(15_000)}`)]],
  ['a type of 15 KB', [415], post(`text/${'x'.repeat(15_000)}`, 'x')],
  ['a type with 15 KB of parameters', [201], post(`${JSON_TYPE}${'; a=b'.repeat(3000)}`, '{"title": "a"}')],
  ['a type with 15 KB of spaces', [201], post(`${JSON_TYPE}${' '.repeat(15_000)};`, '{"title": "a"}')],
  ['many types to accept', [200], [get(LIST, `Accept: ${'*/*;q=0.1, '.repeat(1300)}\r\n`)]],
  ['many ranges', [200, 206, 416], [get('/docs/static/index.css', `Range: bytes=${'0-,'.repeat(4000)}0-\r\n`)]],
  ['many tags', [200, 304], [get('/docs/static/index.css', `If-None-Match: ${'W/"a", '.repeat(2000)}"b"\r\n`)]],
  [
    'a User-Agent of 15 KB at a login',
    [200],
    json(
      JSON.stringify({ username: 'paul', password: PASSWORD }),
      `User-Agent: ${'\xe9'.repeat(15_000)}\r\n`,
      '/api/jwt/token/',
    ),
  ],
];

const urls: Row[] = [
  ['a path of 15 KB', [404], [get(`/${'x'.repeat(15_000)}`)]],
  ['a path of 17 KB', [431], [get(`/${'x'.repeat(17_000)}`)]],
  ['a path of 10,000 slashes', [404], [get('/'.repeat(10_000))]],
  ['a path of 5,000 dots', [404], [get('/..'.repeat(5000))]],
  ['a path of 5,000 percent codes', [404], [get(`/${'%61'.repeat(5000)}`)]],
  ['a path of 5,000 bad percent codes', [404], [get(`/${'%zz'.repeat(5000)}`)]],
  ['an id of 15,000 digits', [404], [get(`${LIST}${'9'.repeat(15_000)}/`)]],
  ['an id of 15,000 noughts and a one', [200, 404], [get(`${LIST}${'0'.repeat(15_000)}1/`)]],
  ['an id of 15,000 letters', [404], [get(`/api/v1/sessions/${'f'.repeat(15_000)}/`)]],
  ['7,000 parameters', [200], [get(`${LIST}?${'a&'.repeat(7000)}`)]],
  [
    '1,500 parameters, each another',
    [200],
    [get(`${LIST}?${Array.from({ length: 1500 }, (_, i) => `a${i}=b`).join('&')}`)],
  ],
  ['a parameter 1,500 times', [200], [get(`${LIST}?${'limit=1&'.repeat(1500)}`)]],
  ['a parameter of 15 KB', [200], [get(`${LIST}?a=${'x'.repeat(15_000)}`)]],
  ['a limit of 15,000 digits', [400], [get(`${LIST}?limit=${'9'.repeat(15_000)}`)]],
  ['a limit of 15,000 spaces', [400], [get(`${LIST}?limit=${'+'.repeat(15_000)}`)]],
  ['a limit of 15,000 spaces and a digit', [200], [get(`${LIST}?limit=${'+'.repeat(15_000)}1`)]],
  ['a limit beyond all numbers', [400], [get(`${LIST}?limit=1e999999`)]],
  ['a cursor of 15 KB', [400], [get(`${LIST}?cursor=${'A'.repeat(15_000)}`)]],
  ['a cursor of 10,000 digits', [400], [get(`${LIST}?cursor=${segment(`after:${'9'.repeat(10_000)}`)}`)]],
  ['a query of 17 KB', [431], [get(`${LIST}?${'x'.repeat(17_000)}`)]],
];

const jsons: Row[] = [
  ['100,000 levels of lists', [400], json(deep(100_000))],
  ['130,000 levels, none closed', [400], json('['.repeat(130_000))],
  ['40,000 levels of objects', [400], json(`{"title": ${deep(40_000, '{"a":', '}').replace(':}', ':1}')}}`)],
  ['100,000 levels for a field', [400], json(`{"title": ${deep(100_000)}}`)],
  ['100,000 levels for an unknown field', [400], json(`{"title": "a", "x": ${deep(100_000)}}`)],
  // The digits of a number are read by a parser that goes down level by level.
  ['100,000 levels beside a number', [400], json(`{"title": 1.0, "x": ${deep(100_000)}}`)],
  ['100,000 levels after a number', [400], json(`{"x": ${deep(100_000)}, "title": 1}`)],
  [
    '30,000 levels of objects beside a number',
    [400],
    json(`{"title": 1, "x": ${deep(30_000, '{"a":', '}').replace(':}', ':1}')}}`),
  ],
  ['130,000 numbers', [400], json(`[${fill('1,', '[1]')}1]`)],
  ['130,000 numbers for a field', [400], json(`{"title": [${fill('1,', '{"title": [1]}')}1]}`)],
  ['100,000 numbers for an unknown field', [400], json(`{"title": 1, "x": [${'1,'.repeat(100_000)}1]}`)],
  ['80,000 objects', [400], json(`[${fill('{},', '[{}]')}{}]`)],
  [
    '130,000 scopes',
    [400],
    json(`{"name": "a", "scopes": [${fill('1,', '{"name": "a", "scopes": [1]}')}1]}`, '', '/api/v1/tokens/'),
  ],
  [
    '60,000 scopes of text',
    [400],
    json(`{"name": "a", "scopes": "${fill('a b ', '{"name": "a", "scopes": ""}')}"}`, '', '/api/v1/tokens/'),
  ],
  [
    'one scope of 256 KB',
    [400],
    json(`{"name": "a", "scopes": "${fill('a', '{"name": "a", "scopes": ""}')}"}`, '', '/api/v1/tokens/'),
  ],
  ['20,000 fields', [400], json(`{${numbers(20_000, 1)}, "title": "a"}`)],
  // Such names are their own hashes.
  ['20,000 fields by the thousand', [400], json(`{${numbers(16_000, 1024)}, "title": "a"}`)],
  ['a field 20,000 times', [400], json(`{${'"title": "x", '.repeat(18_000)}"title": "a"}`)],
  ['a number 15,000 times', [400], json(`{${'"title": 1.0, '.repeat(15_000)}"title": 1.0}`)],
  ['a name of 250 KB', [201], json(`{"${'x'.repeat(250_000)}": 1, "title": "a"}`)],
  ['a number of 100,000 digits for text', [400], json(`{"title": ${'9'.repeat(100_000)}}`)],
  ['a fraction of 100,000 digits for text', [201], json(`{"title": 0.${'9'.repeat(100_000)}}`)],
  ['noughts and an exponent of them', [201], json(`{"title": 1${'0'.repeat(100_000)}e-100000}`)],
  ['a number beyond all', [201], json('{"title": 1e999999}')],
  ['an exponent of 100,000 digits', [201], json(`{"title": 1e${'9'.repeat(100_000)}}`)],
  ['a number below all', [201], json(`{"title": -1e-${'9'.repeat(100_000)}}`)],
  ['a number beyond all for a boolean', [400], json('{"title": "a", "is_completed": 1e999999}')],
  ['a one of 100,000 digits for a boolean', [201], json(`{"title": "a", "is_completed": 1.${'0'.repeat(100_000)}}`)],
  ['a number beyond all for a date', [400], json('{"title": "a", "date_created": 1e999999}')],
  ['a date of 250 KB', [400], json(`{"title": "a", "date_created": "${'2020-01-01'.repeat(25_000)}"}`)],
  ['a title of 250 KB', [400], json(`{"title": "${'x'.repeat(250_000)}"}`)],
  ['a title of 40,000 escapes', [400], json(`{"title": "${'\\u0041'.repeat(40_000)}"}`)],
  ['a title of 40,000 lone surrogates', [400], json(`{"title": "${'\\ud800'.repeat(40_000)}"}`)],
  ['a title of 40,000 NULs', [400], json(`{"title": "${'\\u0000'.repeat(40_000)}"}`)],
  ['a title of 250,000 spaces', [400], json(`{"title": "${' '.repeat(250_000)}"}`)],
  ['a title between 250,000 spaces', [201], json(`{"title": "${' '.repeat(125_000)}a${' '.repeat(125_000)}"}`)],
  ['the longest text', [201], json(`{"title": "${'🎉'.repeat(100)}", "body": "${'🎉'.repeat(10_000)}"}`)],
  ['a character more', [400], json(`{"title": "a", "body": "${'🎉'.repeat(10_001)}"}`)],
  ['100 characters of 600 marks', [400], json(`{"title": "${`a${'\u0301'.repeat(600)}`.repeat(100)}"}`)],
  ['250,000 spaces around', [201], json(`${' '.repeat(120_000)}{"title": "a"}${'\n'.repeat(120_000)}`)],
  ['250,000 spaces within', [201], json(`{"title":${' '.repeat(250_000)}1.0}`)],
  ['a string that does not end', [400], json(`{"title": "${'\\"'.repeat(120_000)}`)],
  ['bytes that are no text', [400], json(Buffer.alloc(LIMIT, 0xff))],
  ['NULs', [400], json(Buffer.alloc(LIMIT))],
];

const forms: Row[] = [
  ['100,000 fields', [400], form(`${'a=&'.repeat(80_000)}title=a`)],
  ['130,000 names', [400], form(`${'a&'.repeat(130_000)}title=a`)],
  ['30,000 fields, each another', [400], form(`${Array.from({ length: 30_000 }, (_, i) => `a${i}&`).join('')}title=a`)],
  [
    '20,000 numbers for names',
    [400],
    form(`${Array.from({ length: 20_000 }, (_, i) => `${i * 1024}&`).join('')}title=a`),
  ],
  ['a field 30,000 times', [400], form(`${'title=x&'.repeat(30_000)}title=a`)],
  ['250,000 empty fields', [400], form(`${'&'.repeat(250_000)}title=a`)],
  ['250,000 equals signs', [400], form(`title${'='.repeat(250_000)}`)],
  ['250,000 spaces', [400], form(`title=${'+'.repeat(250_000)}`)],
  ['250,000 percent signs', [400], form(`title=${'%'.repeat(250_000)}`)],
  ['80,000 percent codes', [400], form(`title=${'%41'.repeat(80_000)}`)],
  ['80,000 percent codes that are no text', [400], form(`title=${'%ff'.repeat(80_000)}`)],
  ['a name of 250 KB', [201], form(`${'x'.repeat(250_000)}=a&title=a`)],
  ['80,000 brackets', [201], form(`a${'[a]'.repeat(80_000)}=b&title=a`)],
  ['bytes that are no text', [400], form(Buffer.alloc(LIMIT, 0xff))],
];

const line = (length: number) => `X-A: ${'x'.repeat(length)}\r\n`;
const multiparts: Row[] = [
  ['3,000 parts', [400], parts(`${field('a', 'b').repeat(3000)}${TITLE}--b--\r\n`)],
  ['a part 3,000 times', [400], parts(`${TITLE.repeat(3000)}--b--\r\n`)],
  ['3,000 files', [400], parts(`${file('a', 'b').repeat(3000)}${TITLE}--b--\r\n`)],
  ['25,000 parts without headers', [400], parts(`${'--b\r\n\r\n\r\n'.repeat(25_000)}${TITLE}--b--\r\n`)],
  ['a part header of 200 KB', [201, 400], parts(`${field('title', 'a', line(200_000))}--b--\r\n`)],
  ['20,000 part headers', [201, 400], parts(`${field('title', 'a', 'X-A: x\r\n'.repeat(20_000))}--b--\r\n`)],
  ['part headers that do not end', [400], parts(`--b\r\n${line(250_000)}`)],
  ['folded part headers', [201, 400], parts(`${field('title', 'a', `X-A: x\r\n${' x\r\n'.repeat(50_000)}`)}--b--\r\n`)],
  ['a name of 200 KB', [201, 400], parts(`${field('x'.repeat(200_000), 'b')}${TITLE}--b--\r\n`)],
  [
    'a file name of 200 KB',
    [201, 400],
    parts(`${field('a', 'b').replace('"\r\n', `"; filename="${'x'.repeat(200_000)}"\r\n`)}${TITLE}--b--\r\n`),
  ],
  [
    'a part with 50,000 parameters',
    [201, 400],
    parts(`${field('title', 'a').replace('"\r\n', `"${'; a=b'.repeat(40_000)}\r\n`)}--b--\r\n`),
  ],
  [
    'quotes that do not end',
    [201, 400],
    parts(`--b\r\nContent-Disposition: form-data; name="${'\\"'.repeat(100_000)}\r\n\r\na\r\n${TITLE}--b--\r\n`),
  ],
  [
    'an encoded name of 200 KB',
    [201, 400],
    parts(`--b\r\nContent-Disposition: form-data; name*=utf-8''${'%41'.repeat(60_000)}\r\n\r\na\r\n${TITLE}--b--\r\n`),
  ],
  [
    'an unknown charset',
    [201, 400],
    parts(`${field('title', 'a', `Content-Type: text/plain; charset=${'x'.repeat(200_000)}\r\n`)}--b--\r\n`),
  ],
  ['a field of 250 KB', [400], parts(`${field('title', 'x'.repeat(250_000))}--b--\r\n`)],
  ['a file of 250 KB', [201], parts(`${file('a', 'x'.repeat(250_000))}${TITLE}--b--\r\n`)],
  ['250 KB before the first part', [201], parts(`${'x'.repeat(250_000)}\r\n${TITLE}--b--\r\n`)],
  ['250 KB after the last part', [201], parts(`${TITLE}--b--\r\n${'x'.repeat(250_000)}`)],
  ['almost boundaries', [400], parts(`${field('title', '\r\n--a'.repeat(50_000))}--b--\r\n`)],
  ['line ends', [400], parts(`${field('title', '\r\n'.repeat(120_000))}--b--\r\n`)],
  ['dashes', [400], parts(`${field('title', '-'.repeat(250_000))}--b--\r\n`)],
  ['boundaries and no part', [400], parts('--b\r\n'.repeat(50_000))],
  [
    'a boundary of 200 bytes, almost',
    [400],
    parts(
      `--${'x'.repeat(200)}\r\n${fill(`\r\n--${'x'.repeat(199)}`).slice(0, -300)}`,
      `multipart/form-data; boundary=${'x'.repeat(200)}`,
    ),
  ],
  ['a boundary of 10 KB', [400], parts(TITLE, `multipart/form-data; boundary=${'x'.repeat(10_000)}`)],
  ['a boundary of 17 KB', [431], parts(TITLE, `multipart/form-data; boundary=${'x'.repeat(17_000)}`)],
  ['3,000 boundaries', [201, 400], parts(`${TITLE}--b--\r\n`, `multipart/form-data${'; boundary=b'.repeat(1200)}`)],
  [
    'a boundary in quotes that do not end',
    [400],
    parts(`${TITLE}--b--\r\n`, `multipart/form-data; boundary="${'\\"'.repeat(7000)}`),
  ],
];

const credentials: Row[] = [
  ['a token of 15 KB', [401], [get(LIST).replace(paul.token, 'a'.repeat(15_000))]],
  ['a token of 17 KB', [431], [get(LIST).replace(paul.token, 'a'.repeat(17_000))]],
  ['15,000 spaces and a token', [200], [get(LIST).replace('Token ', `Token${' '.repeat(15_000)}`)]],
  ['7,000 words', [401], [get(LIST).replace(paul.token, 'a '.repeat(7000))]],
  ['a scheme of 15 KB', [401], [get(LIST).replace('Token', 'x'.repeat(15_000))]],
  ['a JWT of 15 KB', [401], [get(LIST).replace(authorization, `Bearer ${'a'.repeat(15_000)}`)]],
  ['a JWT of 15,000 dots', [401], [get(LIST).replace(authorization, `Bearer ${'.'.repeat(15_000)}`)]],
  [
    'a JWT of deep JSON',
    [401],
    [get(LIST).replace(authorization, `Bearer ${segment(deep(2500))}.${segment(deep(2500))}.a`)],
  ],
  ['a refresh token of 250 KB', [401], json(`{"refresh": "${'a'.repeat(250_000)}"}`, '', '/api/jwt/token/refresh/')],
  [
    'a refresh token of 120,000 dots',
    [401],
    json(`{"refresh": "${'a.'.repeat(120_000)}"}`, '', '/api/jwt/token/refresh/'),
  ],
  [
    'a JWT of very deep JSON',
    [401],
    json(`{"token": "${segment(deep(45_000))}.${segment(deep(45_000))}.a"}`, '', '/api/jwt/token/verify/'),
  ],
  [
    'a JWT with 200 KB of claims',
    [401],
    json(`{"token": "${paul.access.replace('.', `.${'A'.repeat(200_000)}`)}"}`, '', '/api/jwt/token/verify/'),
  ],
  [
    'a refresh token of 100,000 digits',
    [401],
    json(`{"refresh": ${'9'.repeat(100_000)}}`, '', '/api/jwt/token/blacklist/'),
  ],
  ['a name of 250 KB', [400], loginAs('x'.repeat(250_000))],
  ['a name that grows as it is normalised', [400], loginAs('\ufdfa'.repeat(80_000))],
  ['a password of 250 KB', [400], loginAs('paul', 'x'.repeat(250_000))],
  [
    'a new name of 250 KB',
    [400],
    json(JSON.stringify({ username: 'x'.repeat(250_000), password: PASSWORD }), '', '/api/v1/users/'),
  ],
  [
    'a new address of 250 KB',
    [400],
    json(
      JSON.stringify({ username: 'new', email: `${'x'.repeat(250_000)}@x.y`, password: PASSWORD }),
      '',
      '/api/v1/users/',
    ),
  ],
  [
    'a new password of 250 KB',
    [201, 400],
    json(JSON.stringify({ username: 'new', password: 'aB3$'.repeat(62_000) }), '', '/api/v1/users/'),
  ],
  ['a name for a token of 250 KB', [400], json(JSON.stringify({ name: 'x'.repeat(250_000) }), '', '/api/v1/tokens/')],
];

/** The service goes on: a read and writes, on a connection of their own. */
async function assertServing({ origin }: TestApp) {
  const ends: (() => void)[] = [];
  const { send } = keepLine({ after: (end) => void ends.push(end as () => void) }, origin);
  const list = await send('GET', `${LIST}?limit=1`, { authorization });
  assert.equal(list.status, 200, list.text);
  const { body } = await send('POST', LIST, { authorization, json: { title: 'ordinary' } });
  assert.equal(body.title, 'ordinary');
  assert.equal((await send('DELETE', `${LIST}${body.id}/`, { authorization })).status, 204);
  for (const end of ends) end();
}

/** Errors are `{"detail": …}` or lists of messages by field. */
function assertShape(body: object) {
  assert.ok(body !== null && typeof body === 'object' && Object.keys(body).length > 0);
  for (const [name, value] of Object.entries(body)) {
    if (name === 'detail') assert.equal(typeof value, 'string');
    else if (!['code', 'messages'].includes(name))
      assert.ok(Array.isArray(value) && value.every((text) => typeof text === 'string'));
  }
}

const tables: [what: string, rows: Row[]][] = [
  ['sizes', sizes],
  ['encodings', compressed],
  ['headers', headers],
  ['addresses', urls],
  ['JSON', jsons],
  ['forms', forms],
  ['multipart', multiparts],
  ['credentials', credentials],
];
for (const [what, rows] of tables) {
  test(`much of everything: ${what}`, async (t) => {
    for (const [name, statuses, bytes] of rows) {
      await t.test(name, async () => {
        const answer = await exchange(service.origin, ...(bytes as string[]));
        assert.ok(statuses.includes(answer.status), `${answer.status} ${answer.text.slice(0, 300)}`);
        if (answer.status >= 400) {
          assert.equal(answer.answers, 1);
          assertShape(answer.body);
          // What was sent is not sent back.
          assert.ok(answer.text.length < 1.1 * LIMIT, String(answer.text.length));
        }
        await assertServing(service);
      });
    }
  });
}

interface Slow {
  closed: Promise<string>;
  end(): void;
}

/** A connection on which something is sent again and again, until the service closes it: gives what came back. */
function sendSlowly(origin: string, first: string, more: string): Slow {
  const { hostname, port } = new URL(origin);
  let timer: NodeJS.Timeout | undefined;
  let received = '';
  const socket = connect({ host: hostname, port: Number(port) }, () => {
    socket.write(first);
    timer = setInterval(() => more && socket.writable && socket.write(more), 150);
  });
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.on('error', () => {});
  const closed = once(socket, 'close').then(() => {
    clearInterval(timer);
    return received;
  });
  return { closed, end: () => socket.destroy() };
}

/** Waits until the server has so many connections. */
async function untilConnections({ app }: TestApp, isEnough: (count: number) => boolean) {
  const count = promisify(app.server.getConnections).bind(app.server);
  await until('there are so many connections', async () => isEnough(await count()));
}

const head = 'GET /healthz HTTP/1.1\r\nHost: x\r\n';
const bodied = 'POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
const slow: [what: string, count: number, first: string, more: string][] = [
  ['nothing', 50, '', ''],
  ['the first line, byte by byte', 100, 'GET /', 'a'],
  ['a header, byte by byte', 200, `${head}A: `, 'a'],
  ['header after header', 100, head, 'A: b\r\n'],
  ['a second request, byte by byte', 50, `${head}\r\nGET /`, 'a'],
  ['a body, byte by byte', 60, `${bodied}Content-Length: 200000\r\n\r\n`, ' '],
  ['chunks of a byte', 40, `${bodied}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
];
const TIMED_OUT = /HTTP\/1\.1 408 Request Timeout\r\n(?:.+\r\n)+\r\n\{"detail":"Request timed out\."\}$/;

/** The real app, whose server looks ten times a second for requests that took too long; and how often it would. */
async function buildWatchful(t: TestContext): Promise<TestApp & { everyMs: number }> {
  const { createServer } = http;
  let everyMs = 0;
  const createWatchful = (options: ServerOptions, listener: RequestListener) => {
    everyMs = options.connectionsCheckingInterval ?? 30_000;
    return createServer({ ...options, connectionsCheckingInterval: 100 }, listener);
  };
  t.mock.method(http, 'createServer', createWatchful as typeof createServer);
  const { DATABASE_URL } = service.app.config;
  return { ...(await build(t, { DATABASE_URL })), everyMs };
}

test('600 slow connections keep nobody out, and are ended', async (t) => {
  const watchful = await buildWatchful(t);
  const { server } = watchful.app;
  const connections = slow.flatMap(([what, count, first, more]) =>
    Array.from({ length: count }, () => ({ what, ...sendSlowly(watchful.origin, first, more) })),
  );
  t.after(() => {
    for (const { end } of connections) end();
  });
  await untilConnections(watchful, (count) => count >= connections.length);
  for (let i = 0; i < 10; i++) {
    const ordinary = Array.from({ length: 10 }, () => watchful.send('GET', `${LIST}?limit=1`, { authorization }));
    for (const { status, text } of await Promise.all(ordinary)) assert.equal(status, 200, text);
  }
  await assertServing(watchful);
  const { headersTimeout, requestTimeout } = server;
  Object.assign(server, { headersTimeout: 500, requestTimeout: 500 });
  const told = new Set<string>();
  for (const { what, closed } of connections) if (TIMED_OUT.test(await closed)) told.add(what);
  // Where bytes are still on their way the answer may be lost with the connection.
  assert.deepEqual([...told].sort(), slow.map(([what]) => what).sort());
  Object.assign(server, { headersTimeout, requestTimeout });
  await assertServing(watchful);
});

test('the times that requests are given', async (t) => {
  const { app, everyMs } = await buildWatchful(t);
  const { headersTimeout, requestTimeout } = app.server;
  // Node takes the longer of the two for the whole request, whichever it is.
  assert.ok(headersTimeout <= requestTimeout, `headers: ${headersTimeout} ms, the whole request: ${requestTimeout} ms`);
  assert.ok(requestTimeout <= 30_000);
  // What took too long is found when it is next looked for.
  assert.ok(everyMs <= 10_000, `looked for every ${everyMs} ms`);
});

test('who asks and does not read holds up nobody, and is let go', async (t) => {
  const watchful = await buildWatchful(t);
  const { server } = watchful.app;
  const long = { ownerId: paulId, title: 'long', body: 'x'.repeat(10_000), dateCreated: '2020-01-01' };
  await prisma.todo.createMany({ data: Array.from({ length: 300 }, () => long) });
  assert.ok(server.timeout > 0, 'a connection on which nothing moves is kept for ever');
  const { timeout } = server;
  server.timeout = 1000;
  const { hostname, port } = new URL(watchful.origin);
  const request = get(LIST).replace('Connection: close\r\n', '');
  const deaf = Array.from({ length: 2 }, () =>
    connect(Number(port), hostname)
      .on('error', () => {})
      .pause(),
  );
  t.after(() => {
    for (const socket of deaf) socket.destroy();
  });
  await untilConnections(watchful, (count) => count >= deaf.length);
  server.timeout = timeout;
  let begun = 0;
  server.prependListener('request', () => begun++);
  for (const socket of deaf) socket.write(request.repeat(20));
  await until('all have begun', () => begun === deaf.length * 20);
  // So many long pages may be more than the database has soon, and who comes with them is refused, too.
  const list = () => watchful.send('GET', `${LIST}?limit=1`, { authorization });
  await until('others are served', async () => (await list()).status === 200);
  await assertServing(watchful);
  await untilConnections(watchful, (count) => count === 0);
});

test('an answer is of some megabytes, however long the todos are', async (t) => {
  const mary = await addUser(service, 'mary');
  const authorization = `Token ${(await logIn(service, 'mary')).token}`;
  const body = '🎉'.repeat(10_000);
  for (let i = 0; i < 4; i++) {
    const data = Array.from({ length: 100 }, () => ({
      ownerId: mary.id,
      title: 'long',
      body,
      dateCreated: '2020-01-01',
    }));
    await prisma.todo.createMany({ data });
  }
  const ids: number[] = [];
  let next: string | undefined = LIST;
  const sizes: number[] = [];
  while (next) {
    const { status, text, body, headers } = await service.send('GET', next, { authorization });
    assert.equal(status, 200, text.slice(0, 300));
    sizes.push(Buffer.byteLength(text));
    ids.push(...body.map(({ id }: { id: number }) => id));
    next = /<([^<>]*)>; rel="next"/.exec(String(headers.link))?.[1];
  }
  assert.equal(new Set(ids).size, 400);
  await t.test('each page', () => {
    assert.ok(Math.max(...sizes) <= 4 * 1024 * 1024, `${Math.max(...sizes)} bytes`);
  });
});
