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
import { Day, Flag, Secret, Text } from '../../src/fields.ts';
import { serve } from './helper-app.ts';

const description = '';
const body = Type.Object({
  title: Text({ minLength: 1, maxLength: 5, description }),
  secret: Type.Optional(Secret({ description })),
  flag: Type.Optional(Flag({ description })),
  day: Type.Optional(Day({ description })),
});
const querystring = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
  word: Type.Optional(Type.String()),
});
const params = Type.Object({ id: Type.String({ pattern: '^[0-9]+$' }) });

const REQUIRED = 'This field is required.';
const NULL = 'This field may not be null.';
const BLANK = 'This field may not be blank.';
const NOT_TEXT = 'Not a valid string.';
const NOT_FLAG = 'Must be a valid boolean.';
const NOT_DAY = 'Date has wrong format. Use one of these formats instead: YYYY-MM-DD.';
const LONG = 'Ensure this field has no more than 5 characters.';
const NUL = 'Null characters are not allowed.';
const NOT_INTEGER = 'A valid integer is required.';

const accepted: [string, object, object][] = [
  [
    'what is right already',
    { title: 'a', flag: true, day: '2020-01-05' },
    { title: 'a', flag: true, day: '2020-01-05' },
  ],
  ['text is trimmed', { title: ' \t\na b\u00a0\u2003' }, { title: 'a b' }],
  ['characters are code points', { title: '🎉🎉🎉🎉🎉' }, { title: '🎉🎉🎉🎉🎉' }],
  ['the length counts after trimming', { title: '     12345     ' }, { title: '12345' }],
  ['a number is its text', { title: -1.5 }, { title: '-1.5' }],
  ['control characters stay', { title: 'a\u0001\u007f' }, { title: 'a\u0001\u007f' }],
  ['secrets are not trimmed', { title: 'a', secret: '  x ' }, { title: 'a', secret: '  x ' }],
  ['secrets may be white space', { title: 'a', secret: ' ' }, { title: 'a', secret: ' ' }],
  ['words for true', { title: 'a', flag: 'on' }, { title: 'a', flag: true }],
  ['numbers for false', { title: 'a', flag: 0 }, { title: 'a', flag: false }],
  ['short days', { title: 'a', day: '2021-1-5' }, { title: 'a', day: '2021-01-05' }],
  ['unknown fields are dropped', { title: 'a', more: 1, id: 2, nested: { title: 'b' } }, { title: 'a' }],
];

const refused: [string, unknown, object][] = [
  ['nothing', {}, { title: [REQUIRED] }],
  [
    'null',
    { title: null, secret: null, flag: null, day: null },
    { title: [NULL], secret: [NULL], flag: [NULL], day: [NULL] },
  ],
  [
    'blank',
    { title: '', secret: '', flag: '', day: '' },
    { title: [BLANK], secret: [BLANK], flag: [NOT_FLAG], day: [NOT_DAY] },
  ],
  [
    'white space',
    { title: ' \n ', flag: ' true ', day: ' 2020-01-05' },
    { title: [BLANK], flag: [NOT_FLAG], day: [NOT_DAY] },
  ],
  [
    'lists',
    { title: ['a'], secret: [], flag: [true], day: ['2020-01-05'] },
    { title: [NOT_TEXT], secret: [NOT_TEXT], flag: [NOT_FLAG], day: [NOT_DAY] },
  ],
  [
    'objects',
    { title: {}, secret: { a: 1 }, flag: {}, day: {} },
    { title: [NOT_TEXT], secret: [NOT_TEXT], flag: [NOT_FLAG], day: [NOT_DAY] },
  ],
  ['booleans', { title: true, secret: false, day: true }, { title: [NOT_TEXT], secret: [NOT_TEXT], day: [NOT_DAY] }],
  ['numbers', { title: 123456, flag: 2, day: 20200105 }, { title: [LONG], flag: [NOT_FLAG], day: [NOT_DAY] }],
  ['too long', { title: '123456' }, { title: [LONG] }],
  ['too long by code points', { title: '🎉🎉🎉🎉🎉🎉' }, { title: [LONG] }],
  ['NUL', { title: '\0', secret: 'a\0' }, { title: [NUL], secret: [NUL] }],
  [
    'a lone surrogate',
    { title: '\ud800', secret: '\udfff' },
    {
      title: ['Surrogate characters are not allowed: U+D800.'],
      secret: ['Surrogate characters are not allowed: U+DFFF.'],
    },
  ],
  [
    'several faults in a field',
    { title: 'abcde\0\udc00' },
    { title: [LONG, NUL, 'Surrogate characters are not allowed: U+DC00.'] },
  ],
  ['no such day', { title: 'a', day: '2021-02-29' }, { day: [NOT_DAY] }],
  ['a time', { title: 'a', day: '2020-01-05T00:00:00Z' }, { day: [NOT_DAY] }],
  ['a list', [], { non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] }],
  ['no data', null, { non_field_errors: ['No data provided'] }],
];

const queries: [string, number, object][] = [
  ['', 200, {}],
  ['?limit=1', 200, { limit: 1 }],
  ['?limit=+10', 200, { limit: 10 }],
  ['?limit=%2010%20', 200, { limit: 10 }],
  ['?limit=007', 200, { limit: 7 }],
  ['?word=&other=1', 200, { word: '' }],
  ['?__proto__=1&constructor=2', 200, {}],
  ['?limit=0', 400, { limit: ['Ensure this value is greater than or equal to 1.'] }],
  ['?limit=-1', 400, { limit: ['Ensure this value is greater than or equal to 1.'] }],
  ['?limit=11', 400, { limit: ['Ensure this value is less than or equal to 10.'] }],
  ['?limit=', 400, { limit: [NOT_INTEGER] }],
  ['?limit=1.5', 400, { limit: [NOT_INTEGER] }],
  ['?limit=0x5', 400, { limit: [NOT_INTEGER] }],
  ['?limit=1e1', 400, { limit: [NOT_INTEGER] }],
  ['?limit=ten', 400, { limit: [NOT_INTEGER] }],
  ['?limit=%D9%A1', 400, { limit: [NOT_INTEGER] }],
  ['?word=%00', 200, { word: '\0' }],
];

test('validation', async (t) => {
  const service = await serve(
    t,
    [requestId, securityHeaders, shutdown, cors, audit, errors, validation, bodyParsers],
    (app) => {
      app.post('/', { schema: { body } }, async (request) => request.body);
      app.get('/', { schema: { querystring } }, async (request) => request.query);
      app.get('/things/:id', { schema: { params } }, async (request) => request.params);
    },
  );
  for (const [what, json, expected] of accepted) {
    await t.test(`accepted: ${what}`, async () => {
      const answer = await service.send('POST', '/', { json });
      assert.deepEqual([answer.status, answer.body], [200, expected]);
    });
  }
  for (const [what, json, expected] of refused) {
    await t.test(`refused: ${what}`, async () => {
      const answer = await service.send('POST', '/', { json });
      assert.deepEqual([answer.status, answer.body], [400, expected]);
    });
  }
  for (const [query, status, expected] of queries) {
    await t.test(`query ${query}`, async () => {
      const answer = await service.send('GET', `/${query}`);
      assert.deepEqual([answer.status, answer.body], [status, expected]);
    });
  }
  await t.test('parameters', async () => {
    const answer = await service.send('GET', '/things/007');
    assert.deepEqual([answer.status, answer.body], [200, { id: '007' }]);
    assert.equal((await service.send('GET', '/things/x')).status, 400);
  });
});
