import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from 'typebox';
import audit from '../../plugins/audit.ts';
import bodyParsers from '../../plugins/body-parsers.ts';
import cors from '../../plugins/cors.ts';
import errors from '../../plugins/errors.ts';
import requestId from '../../plugins/request-id.ts';
import securityHeaders from '../../plugins/security-headers.ts';
import shutdown from '../../plugins/shutdown.ts';
import validation from '../../plugins/validation.ts';
import { Day, Flag, Text } from '../../src/fields.ts';
import type { SendOptions } from '../helper.ts';
import { serve } from './helper-app.ts';
import { chunked, exchange } from './helper-socket.ts';

const LIMIT = 1024 * 1024; // Fastify's own, which this app does not lower
const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const MULTIPART_TYPE = 'multipart/form-data; boundary=b';
const NOT_TEXT = { text: ['Not a valid string.'] };
const NUL = { text: ['Null characters are not allowed.'] };

const body = Type.Partial(
  Type.Object({ text: Text({ description: '' }), flag: Flag({ description: '' }), day: Day({ description: '' }) }),
);

/** An app that answers with the fields as the parsers and the validation left them. */
const echo = (t: Parameters<typeof serve>[0]) =>
  serve(t, [requestId, securityHeaders, shutdown, cors, audit, errors, validation, bodyParsers], (app) => {
    app.post('/', { schema: { body } }, async (request) => request.body);
    app.delete('/', async (request) => request.body);
    app.post('/bodiless', async (request) => request.body);
    app.get('/', async () => ({}));
  });

/** The parts of a multipart body, each with its header lines and its content. */
const multipart = (...parts: [string, string][]) =>
  `${parts.map(([head, content]) => `--b\r\n${head}\r\n\r\n${content}\r\n`).join('')}--b--\r\n`;
const field = (name: string, content: string): [string, string] => [
  `Content-Disposition: form-data; name="${name}"`,
  content,
];
const file = (name: string, filename: string, content = 'x'): [string, string] => [
  `Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: text/plain`,
  content,
];

type Row = [what: string, type: string, body: string | Buffer, status: number, answer: unknown];

const nested = (levels: number, rest = '') => `{"a": ${'['.repeat(levels)}${']'.repeat(levels)}${rest}}`;
const tooMany = (what: string) => ({ detail: `Request body has more than ${what}.` });
const list = (type: string) => ({ non_field_errors: [`Invalid data. Expected a dictionary, but got ${type}.`] });

const JSON_ROWS: Row[] = [
  ['an object', JSON_TYPE, '{"text": "é🎉"}', 200, { text: 'é🎉' }],
  ['white space around', JSON_TYPE, ' \r\n\t{"text": "a"} \n', 200, { text: 'a' }],
  ['charset', 'application/json; charset=utf-8', '{"text": "é"}', 200, { text: 'é' }],
  ['charset in quotes', 'application/json; charset="UTF-8"', '{"text": "é"}', 200, { text: 'é' }],
  ['charset without space', 'application/json;charset=utf-8', '{"text": "é"}', 200, { text: 'é' }],
  ['space before the semicolon', 'application/json ; charset=utf-8', '{"text": "é"}', 200, { text: 'é' }],
  ['a semicolon alone', 'application/json;', '{"text": "é"}', 200, { text: 'é' }],
  ['another parameter', 'application/json; profile=x', '{"text": "é"}', 200, { text: 'é' }],
  ['upper case', 'APPLICATION/JSON', '{"text": "a"}', 200, { text: 'a' }],
  ['mixed case', 'Application/Json; Charset=UTF-8', '{"text": "a"}', 200, { text: 'a' }],
  ['a repeated key', JSON_TYPE, '{"text": "a", "text": "b"}', 200, { text: 'b' }],
  ['a repeated key, a number last', JSON_TYPE, '{"text": "a", "text": 1.0}', 200, { text: '1.0' }],
  ['a repeated key, a number first', JSON_TYPE, '{"text": 1.0, "text": "a", "b": 1}', 200, { text: 'a' }],
  ['__proto__', JSON_TYPE, '{"__proto__": {"text": "a", "polluted": 1}}', 200, {}],
  ['__proto__ beside a number', JSON_TYPE, '{"__proto__": {"text": "a"}, "n": 1}', 200, {}],
  ['__proto__ a number', JSON_TYPE, '{"__proto__": 1, "text": "a"}', 200, { text: 'a' }],
  ['constructor', JSON_TYPE, '{"constructor": {"prototype": {"polluted": 1}}, "n": 1}', 200, {}],
  ['toString', JSON_TYPE, '{"toString": 1, "hasOwnProperty": 2, "text": "a"}', 200, { text: 'a' }],
  ['an empty key', JSON_TYPE, '{"": 1, "text": "a"}', 200, { text: 'a' }],
  ['as many levels as may be', JSON_TYPE, nested(99, ', "text": 1.0'), 200, { text: '1.0' }],
  ['a level more', JSON_TYPE, nested(100, ', "text": 1.0'), 400, tooMany('100 levels')],
  ['100,000 levels of a list', JSON_TYPE, `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 400, tooMany('100 levels')],
  ['100,000 levels, none closed', JSON_TYPE, '['.repeat(100_000), 400, tooMany('100 levels')],
  ['brackets in text', JSON_TYPE, `{"text": "${'[{\\",'.repeat(1000)}"}`, 200, { text: '[{",'.repeat(1000) }],
  ['as many fields as may be', JSON_TYPE, `{${'"a": 1, '.repeat(999)}"text": "a"}`, 200, { text: 'a' }],
  ['a field more', JSON_TYPE, `{${'"a": 1, '.repeat(1000)}"text": "a"}`, 400, tooMany('1000 fields')],
  ['33,000 numbers', JSON_TYPE, `{${'"0":0,'.repeat(33_000)}"0":0}`, 400, tooMany('1000 fields')],
  ['a list of 1000 items', JSON_TYPE, `{"a": [${'1,'.repeat(999)}1]}`, 400, tooMany('1000 fields')],
  ['an escaped name of a number', JSON_TYPE, '{"te\\u0078t": 1.0}', 200, { text: '1.0' }],
  ['white space around a number', JSON_TYPE, '{"text" :\r\n\t 1.0\t}', 200, { text: '1.0' }],
  ['an empty list', JSON_TYPE, '[]', 400, list('list')],
  ['a list of numbers', JSON_TYPE, '[1]', 400, list('list')],
  ['a list of objects', JSON_TYPE, '[{"text": "a"}]', 400, list('list')],
  ['a string', JSON_TYPE, '"text"', 400, list('str')],
  ['an integer', JSON_TYPE, '-5', 400, list('int')],
  ['a float', JSON_TYPE, '5.0', 400, list('float')],
  ['a float by its exponent', JSON_TYPE, '5e0', 400, list('float')],
  ['true', JSON_TYPE, 'true', 400, list('bool')],
  ['null', JSON_TYPE, 'null', 400, { non_field_errors: ['No data provided'] }],
  ['numbers within an unknown field', JSON_TYPE, '{"a": [1, {"b": 1e999}], "text": "x"}', 200, { text: 'x' }],
  ['a list of numbers for text', JSON_TYPE, '{"text": [1], "n": 1}', 400, NOT_TEXT],
  ['an object of numbers for text', JSON_TYPE, '{"text": {"value": 1, "text": "1"}, "n": 1}', 400, NOT_TEXT],
  ['a boolean for text', JSON_TYPE, '{"text": true}', 400, NOT_TEXT],
  ['a NUL escaped', JSON_TYPE, '{"text": "a\\u0000"}', 400, NUL],
];

// The number in JSON, and what Python's `str` makes of it.
const NUMBERS: [string, string][] = [
  ['123', '123'],
  ['-1.5', '-1.5'],
  ['0', '0'],
  ['-0', '0'],
  ['1.0', '1.0'],
  ['-0.0', '-0.0'],
  ['1.50', '1.5'],
  ['0.1', '0.1'],
  ['1E2', '100.0'],
  ['1e16', '1e+16'],
  ['123456789012345.6', '123456789012345.6'],
  ['0.0001', '0.0001'],
  ['0.00001', '1e-05'],
  ['1.5e-10', '1.5e-10'],
  ['1e100', '1e+100'],
  ['5e-324', '5e-324'],
  ['1e-400', '0.0'],
  ['1e400', 'inf'],
  ['-1e400', '-inf'],
  ['12345678901234567890', '12345678901234567890'],
  ['-12345678901234567890', '-12345678901234567890'],
  ['12345678901234567890.0', '1.2345678901234567e+19'],
];

const MALFORMED_JSON: [string, string | Buffer][] = [
  ['cut short', '{"text": '],
  ['a word', 'nope'],
  ['white space alone', ' \n'],
  ['single quotes', "{'text': 'a'}"],
  ['a comma at the end', '{"text": "a",}'],
  ['a comment', '{"text": "a"} // x'],
  ['two values', '{} {}'],
  ['NaN', '{"text": NaN}'],
  ['Infinity', '{"text": -Infinity}'],
  ['a leading zero', '{"text": 01}'],
  ['a plus', '{"text": +1}'],
  ['a point at the end', '{"text": 1.}'],
  ['hexadecimal', '{"text": 0x10}'],
  ['a bare NUL', '{"text": "a\0"}'],
  ['a bare line feed in a string', '{"text": "a\n"}'],
  ['a byte order mark', '\ufeff{"text": "a"}'],
  ['invalid UTF-8', Buffer.from([...Buffer.from('{"text": "'), 0xff, 0xfe, ...Buffer.from('"}')])],
  ['UTF-8 cut short', Buffer.from('{"text": "é').subarray(0, -1)],
  ['a surrogate in UTF-8', Buffer.from([...Buffer.from('{"text": "'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')])],
  ['UTF-16', Buffer.from('{"text": "a"}', 'utf16le')],
  ['99 levels, none closed', '['.repeat(99)],
  ['99 objects, none closed', '{"a":'.repeat(99)],
];

const FORM_ROWS: Row[] = [
  ['fields', FORM_TYPE, 'text=a+b%20c&flag=on&day=2020-1-5', 200, { text: 'a b c', flag: true, day: '2020-01-05' }],
  ['charset', `${FORM_TYPE}; charset=UTF-8`, 'text=%C3%A9', 200, { text: 'é' }],
  ['upper case', FORM_TYPE.toUpperCase(), 'text=a', 200, { text: 'a' }],
  ['UTF-8 not escaped', FORM_TYPE, 'text=é🎉', 200, { text: 'é🎉' }],
  ['the last of repeated fields', FORM_TYPE, 'text=a&text=b', 200, { text: 'b' }],
  ['the last of repeated fields, blank', FORM_TYPE, 'text=a&text=', 200, { text: '' }],
  ['a name without a value', FORM_TYPE, 'text', 200, { text: '' }],
  ['equals signs in the value', FORM_TYPE, 'text=a=b==', 200, { text: 'a=b==' }],
  ['a semicolon does not separate', FORM_TYPE, 'text=a;flag=on', 200, { text: 'a;flag=on' }],
  ['as many fields as may be', FORM_TYPE, `${'a&'.repeat(999)}text=a`, 200, { text: 'a' }],
  ['a field more', FORM_TYPE, `${'a&'.repeat(1000)}text=a`, 400, tooMany('1000 fields')],
  ['empty pairs', FORM_TYPE, '&&text=a&&=&', 200, { text: 'a' }],
  ['no pair at all', FORM_TYPE, '&', 200, {}],
  ['an escaped name', FORM_TYPE, '%74ext=a', 200, { text: 'a' }],
  ['a question mark belongs to the name', FORM_TYPE, '?text=a', 200, {}],
  ['brackets are part of the name', FORM_TYPE, 'text[]=a&text[a]=b', 200, {}],
  ['__proto__', FORM_TYPE, '__proto__=a&__proto__[text]=b&__proto__.polluted=1', 200, {}],
  ['constructor', FORM_TYPE, 'constructor=a&constructor.prototype.polluted=1&text=c', 200, { text: 'c' }],
  ['a percent sign alone', FORM_TYPE, 'text=%', 200, { text: '%' }],
  ['a wrong percent code', FORM_TYPE, 'text=%zz%4', 200, { text: '%zz%4' }],
  ['percent codes that are no UTF-8', FORM_TYPE, 'text=a%FFb', 200, { text: 'a\ufffdb' }],
  ['NUL', FORM_TYPE, 'text=a%00b', 400, NUL],
  ['digits stay digits', FORM_TYPE, 'text=1.0', 200, { text: '1.0' }],
  ['null is a word', FORM_TYPE, 'text=null', 200, { text: 'null' }],
];

const MULTIPART_ROWS: Row[] = [
  ['fields', MULTIPART_TYPE, multipart(field('text', ' é🎉 '), field('flag', 'on')), 200, { text: 'é🎉', flag: true }],
  ['the type in upper case', 'MULTIPART/FORM-DATA; BOUNDARY=b', multipart(field('text', 'a')), 200, { text: 'a' }],
  ['a quoted boundary', 'multipart/form-data; boundary="b"', multipart(field('text', 'a')), 200, { text: 'a' }],
  ['a charset', `${MULTIPART_TYPE}; charset=utf-8`, multipart(field('text', 'é')), 200, { text: 'é' }],
  [
    'the last of repeated fields',
    MULTIPART_TYPE,
    multipart(field('text', 'a'), field('text', 'b')),
    200,
    { text: 'b' },
  ],
  [
    'as many parts as may be',
    MULTIPART_TYPE,
    multipart(...Array.from({ length: 100 }, () => field('text', 'a'))),
    200,
    { text: 'a' },
  ],
  [
    'a part more',
    MULTIPART_TYPE,
    multipart(...Array.from({ length: 101 }, () => field('text', 'a'))),
    400,
    tooMany('100 parts'),
  ],
  ['no part at all', MULTIPART_TYPE, multipart(), 200, {}],
  ['a blank field', MULTIPART_TYPE, multipart(field('text', '')), 200, { text: '' }],
  ['line breaks are kept', MULTIPART_TYPE, multipart(field('text', 'a\r\n\r\nb')), 200, { text: 'a\r\n\r\nb' }],
  ['a long field', MULTIPART_TYPE, multipart(field('text', 'x'.repeat(200_000))), 200, { text: 'x'.repeat(200_000) }],
  ['__proto__', MULTIPART_TYPE, multipart(field('__proto__', 'a'), field('text', 'b')), 200, { text: 'b' }],
  ['a file __proto__', MULTIPART_TYPE, multipart(file('__proto__', 'text'), field('text', 'b')), 200, { text: 'b' }],
  ['constructor', MULTIPART_TYPE, multipart(field('constructor', 'a')), 200, {}],
  ['NUL', MULTIPART_TYPE, multipart(field('text', 'a\0b')), 400, NUL],
  ['a file for text', MULTIPART_TYPE, multipart(file('text', 'a.txt')), 400, NOT_TEXT],
  ['a file for a boolean', MULTIPART_TYPE, multipart(file('flag', 'a')), 400, { flag: ['Must be a valid boolean.'] }],
  [
    'a file for a date',
    MULTIPART_TYPE,
    multipart(file('day', 'a', '2020-01-05')),
    400,
    { day: ['Date has wrong format. Use one of these formats instead: YYYY-MM-DD.'] },
  ],
  ['an unknown file', MULTIPART_TYPE, multipart(file('x', 'a'), field('text', 'b')), 200, { text: 'b' }],
  ['a file after a field', MULTIPART_TYPE, multipart(field('text', 'a'), file('text', 'a')), 400, NOT_TEXT],
  ['no filename: a field', MULTIPART_TYPE, multipart(file('text', '', 'a')), 200, { text: 'a' }],
  [
    'a type of bytes and no filename: a field',
    MULTIPART_TYPE,
    multipart(['Content-Disposition: form-data; name="text"\r\nContent-Type: application/octet-stream', 'a']),
    200,
    { text: 'a' },
  ],
  [
    'a part without a name',
    MULTIPART_TYPE,
    multipart(['Content-Disposition: form-data', 'a'], field('text', 'b')),
    200,
    { text: 'b' },
  ],
  ['a part without a disposition', MULTIPART_TYPE, multipart(['X-A: b', 'a'], field('text', 'b')), 200, { text: 'b' }],
  ['text before the first boundary', MULTIPART_TYPE, `x\r\n${multipart(field('text', 'a'))}`, 200, { text: 'a' }],
  ['text after the last boundary', MULTIPART_TYPE, `${multipart(field('text', 'a'))}x`, 200, { text: 'a' }],
];

const BAD_MULTIPART: [string, string, string][] = [
  ['no boundary', 'multipart/form-data', multipart(field('text', 'a'))],
  ['an empty boundary', 'multipart/form-data; boundary=', multipart(field('text', 'a'))],
  ['another boundary', 'multipart/form-data; boundary=c', multipart(field('text', 'a'))],
  ['cut short in a field', MULTIPART_TYPE, multipart(field('text', 'abc')).slice(0, -9)],
  ['cut short in a file', MULTIPART_TYPE, multipart(file('x', 'a', 'abc')).slice(0, -9)],
  ['cut short in a header', MULTIPART_TYPE, '--b\r\nContent-Disposition: form-da'],
  ['no part and no end', MULTIPART_TYPE, '--b\r\n'],
  ['JSON', MULTIPART_TYPE, '{"text": "a"}'],
];

const OTHER_TYPES = [
  'text/plain',
  'text/plain; charset=utf-8',
  'Text/Plain ;Charset=UTF-8',
  'text/json',
  'application/xml',
  'application/jsonp',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/vnd.api+json',
  'application/octet-stream',
  'multipart/mixed; boundary=b',
  'multipart/form-datax; boundary=b',
  '*/*',
  'application/*',
  'json',
  'application/',
  '/json',
  'application json',
  'application/json, text/plain',
  'application/json charset=utf-8',
  ';charset=utf-8',
  'text/"quoted"',
];

test('bodies of every type', async (t) => {
  const service = await echo(t);
  const post = (options: SendOptions, type?: string) =>
    service.send('POST', '/', { ...options, headers: type === undefined ? {} : { 'content-type': type } });

  const rows: [string, Row[]][] = [
    ['JSON', JSON_ROWS],
    ['URL-encoded', FORM_ROWS],
    ['multipart', MULTIPART_ROWS],
  ];
  for (const [kind, kindRows] of rows) {
    for (const [what, type, sent, status, expected] of kindRows) {
      await t.test(`${kind}: ${what}`, async () => {
        const answer = await post({ body: sent }, type);
        assert.deepEqual([answer.status, answer.body], [status, expected]);
        assert.equal(({} as { polluted?: unknown }).polluted, undefined);
      });
    }
  }

  for (const [number, text] of NUMBERS) {
    await t.test(`the number ${number} given for text`, async () => {
      const answer = await post({ body: `{"text": ${number}}` }, JSON_TYPE);
      assert.deepEqual([answer.status, answer.body], [200, { text }]);
    });
  }

  for (const [what, sent] of MALFORMED_JSON) {
    await t.test(`malformed JSON: ${what}`, async () => {
      const answer = await post({ body: sent }, JSON_TYPE);
      assert.equal(answer.status, 400, answer.text);
      assert.deepEqual(Object.keys(answer.body), ['detail']);
      assert.match(answer.body.detail, /^JSON parse error - ./);
    });
  }

  for (const [what, type, sent] of BAD_MULTIPART) {
    await t.test(`malformed multipart: ${what}`, async () => {
      const answer = await post({ body: sent }, type);
      assert.equal(answer.status, 400, answer.text);
      assert.deepEqual(Object.keys(answer.body), ['detail']);
      assert.match(answer.body.detail, /^Multipart form parse error - ./);
    });
  }

  for (const type of OTHER_TYPES) {
    await t.test(`415: ${type}`, async () => {
      const answer = await post({ body: '{}' }, type);
      assert.equal(answer.status, 415, answer.text);
      assert.deepEqual(answer.body, { detail: `Unsupported media type "${type}" in request.` });
    });
  }
  await t.test('415: no type', async () => {
    const answer = await post({ body: '{}' });
    assert.deepEqual([answer.status, answer.body], [415, { detail: 'Unsupported media type "" in request.' }]);
  });

  const types = [undefined, JSON_TYPE, FORM_TYPE, MULTIPART_TYPE, 'multipart/form-data', 'text/plain', 'nonsense', ''];
  for (const type of types) {
    await t.test(`an empty body of type ${type} counts as {}`, async () => {
      for (const options of [{}, { body: '' }]) {
        const answer = await post(options, type);
        assert.deepEqual([answer.status, answer.body], [200, {}]);
      }
    });
    const typeLine = type === undefined ? '' : `Content-Type: ${type}\r\n`;
    const head = (method: string, path: string) =>
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${typeLine}\r\n`;
    await t.test(`an empty chunked body of type ${type} counts as {}`, async () => {
      const answer = await exchange(service.origin, head('POST', '/'), chunked());
      assert.deepEqual([answer.status, answer.body], [200, {}]);
    });
    for (const [method, path] of [
      ['DELETE', '/'],
      ['POST', '/bodiless'],
    ] as const) {
      await t.test(`${method} ${path}, which declares no body, ignores one of type ${type}`, async () => {
        const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
        const answer = await service.send(method, path, { headers, body: '{"text": ' });
        assert.deepEqual([answer.status, answer.body], [200, {}]);
        const inChunks = await exchange(service.origin, head(method, path), chunked('{"te', 'xt": '));
        assert.deepEqual([inChunks.status, inChunks.body], [200, {}]);
      });
    }
  }

  await t.test('a chunked body is read to its end', async () => {
    const answer = await exchange(
      service.origin,
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n',
      'Content-Type: application/json\r\n\r\n',
      chunked('{"te', 'xt": "', Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1), '"}'),
    );
    assert.deepEqual([answer.status, answer.body], [200, { text: 'é' }]);
  });

  await t.test('GET ignores a body', async () => {
    const answer = await service.send('GET', '/', { headers: { 'content-type': JSON_TYPE }, body: '{"text": ' });
    assert.deepEqual([answer.status, answer.body], [200, {}]);
  });

  const TOO_LARGE = { detail: 'Request body is too large.' };
  const frame = '{"text": ""}';
  const sized = (bytes: number) => `{"text": "${'x'.repeat(bytes - frame.length)}"}`;
  const inChunks = (sent: string) =>
    exchange(
      service.origin,
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n',
      'Content-Type: application/json\r\n\r\n',
      chunked(sent.slice(0, 1000), sent.slice(1000)),
    );
  await t.test('a body of the greatest size', async () => {
    assert.equal((await post({ body: sized(LIMIT) }, JSON_TYPE)).status, 200);
    assert.equal((await inChunks(sized(LIMIT))).status, 200);
  });
  await t.test('413: a byte more', async () => {
    const inPieces = await inChunks(sized(LIMIT + 1));
    assert.deepEqual([inPieces.status, inPieces.body], [413, TOO_LARGE]);
    // By its length it is refused before it comes.
    const answer = await exchange(
      service.origin,
      `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${LIMIT + 1}\r\n`,
      'Content-Type: application/json\r\n\r\n',
    );
    assert.deepEqual([answer.status, answer.body], [413, TOO_LARGE]);
  });
});
