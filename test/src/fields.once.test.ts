import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import fc from 'fast-check';
import Fastify from 'fastify';
import { Type } from 'typebox';
import validation from '../../plugins/validation.ts';
import {
  compileNormaliser,
  Day,
  Flag,
  FormFields,
  isDay,
  JsonNumber,
  notAnObject,
  Secret,
  Text,
  trim,
} from '../../src/fields.ts';

const Thing = Type.Object({
  title: Text({ minLength: 1, maxLength: 100, description: '' }),
  body: Type.Optional(Text({ maxLength: 10, description: '' })),
  password: Type.Optional(Secret({ description: '' })),
  done: Type.Optional(Flag({ description: '' })),
  day: Type.Optional(Day({ description: '' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
});

type Validate = (input: unknown) => { value?: Record<string, unknown>; error?: { body: Record<string, string[]> } };
let validate: Validate;
let validatePatch: Validate;

before(async () => {
  const app = Fastify();
  app.register(validation);
  await app.ready();
  const compile = (schema: unknown) => app.validatorCompiler?.({ schema, method: '', url: '' } as never) as Validate;
  validate = compile(Thing);
  validatePatch = compile(Type.Partial(Thing));
});

/** What a field holds when it was sent so, or the messages that were sent back. */
function judge(field: keyof typeof Thing.properties, sent: unknown): unknown {
  const { value, error } = validate({ title: 'a title', [field]: sent });
  return error ? { messages: error.body[field] } : value?.[field];
}

const number = (source: string) => new JsonNumber(source);
const refused = (...messages: string[]) => ({ messages });
const show = (value: unknown) => (value instanceof JsonNumber ? `the number ${value.text}` : JSON.stringify(value));

function table(name: string, field: keyof typeof Thing.properties, rows: [sent: unknown, taken: unknown][]) {
  suite(name, () => {
    for (const [sent, taken] of rows) {
      const label = show(sent);
      test(label.length > 60 ? `${label.slice(0, 60)}…` : label, () => assert.deepEqual(judge(field, sent), taken));
    }
  });
}

const INVALID_TEXT = refused('Not a valid string.');
const NULL = refused('This field may not be null.');
const BLANK = refused('This field may not be blank.');
const TOO_LONG = refused('Ensure this field has no more than 100 characters.');
const NUL = refused('Null characters are not allowed.');

table('text', 'title', [
  ['Buy milk', 'Buy milk'],
  [' \t\r\n Buy milk \u3000', 'Buy milk'],
  ['a  b\nc', 'a  b\nc'],
  ['<b>&amp;"\u0001\u007f', '<b>&amp;"\u0001\u007f'],
  ['Grüße 日本 👩‍👩‍👧', 'Grüße 日本 👩‍👩‍👧'],
  ['\u200b\ufeff', '\u200b\ufeff'],
  ['x'.repeat(100), 'x'.repeat(100)],
  ['😀'.repeat(100), '😀'.repeat(100)],
  [` ${'x'.repeat(100)} `, 'x'.repeat(100)],
  ['x'.repeat(101), TOO_LONG],
  ['😀'.repeat(101), TOO_LONG],
  ['', BLANK],
  [' \t\n\u00a0\u0085\x1c', BLANK],
  [null, NULL],
  [true, INVALID_TEXT],
  [false, INVALID_TEXT],
  [[], INVALID_TEXT],
  [['a'], INVALID_TEXT],
  [{}, INVALID_TEXT],
  [number('123'), '123'],
  [number('-1.5'), '-1.5'],
  ['a\0b', NUL],
  ['\0', NUL],
  ['\ud800', refused('Surrogate characters are not allowed: U+D800.')],
  ['a\udfffb', refused('Surrogate characters are not allowed: U+DFFF.')],
  ['\ude00\ud83d', refused('Surrogate characters are not allowed: U+DE00.')],
  ['\ud800\0', refused('Null characters are not allowed.', 'Surrogate characters are not allowed: U+D800.')],
  [
    `\0${'x'.repeat(100)}`,
    refused('Ensure this field has no more than 100 characters.', 'Null characters are not allowed.'),
  ],
]);

table('text that may be blank', 'body', [
  ['', ''],
  ['  ', ''],
  [number('0'), '0'],
  ['😀'.repeat(10), '😀'.repeat(10)],
  ['x'.repeat(11), refused('Ensure this field has no more than 10 characters.')],
  [null, NULL],
  [false, INVALID_TEXT],
  ['\0', NUL],
]);

table('a secret, which is not trimmed', 'password', [
  ['  pass word\n', '  pass word\n'],
  [' ', ' '],
  [number('1.50'), '1.5'],
  ['', BLANK],
  [null, NULL],
  [true, INVALID_TEXT],
  ['a\0', NUL],
  ['\udc00', refused('Surrogate characters are not allowed: U+DC00.')],
]);

const INVALID_FLAG = refused('Must be a valid boolean.');
table('a boolean', 'done', [
  ...[true, ...'t T y Y yes Yes YES true True TRUE on On ON 1'.split(' ')].map((sent): [unknown, boolean] => [
    sent,
    true,
  ]),
  ...[false, ...'f F n N no No NO false False FALSE off Off OFF 0'.split(' ')].map((sent): [unknown, boolean] => [
    sent,
    false,
  ]),
  ...['1', '1.0', '1e0'].map((sent): [unknown, boolean] => [number(sent), true]),
  ...['0', '0.0', '-0', '-0.0'].map((sent): [unknown, boolean] => [number(sent), false]),
  ...[' true ', 'true ', 'tRUE', 'yEs', 'oN', '', 'null', '1.0', '2', 'None', [], [true], {}].map(
    (sent): [unknown, unknown] => [sent, INVALID_FLAG],
  ),
  ...['2', '-1', '0.5', '1e400'].map((sent): [unknown, unknown] => [number(sent), INVALID_FLAG]),
  [null, NULL],
]);

const INVALID_DAY = refused('Date has wrong format. Use one of these formats instead: YYYY-MM-DD.');
table('a day', 'day', [
  ['2020-12-16', '2020-12-16'],
  ['2021-1-5', '2021-01-05'],
  ['2021-01-5', '2021-01-05'],
  ['2024-2-29', '2024-02-29'],
  ['0001-01-01', '0001-01-01'],
  ['9999-12-31', '9999-12-31'],
  ...[
    '',
    ' ',
    ' 2020-12-16',
    '2020-12-16\n',
    '2020-12-16T00:00:00Z',
    '2020-12-16 10:00',
    '20201216',
    '2020-W51-3',
    '2020/12/16',
    '16-12-2020',
    '20-12-16',
    '12020-12-16',
    '2020-013-01',
    '٢٠٢٠-١٢-١٦',
    '2021-02-29',
    '2021-04-31',
    '2021-13-01',
    '2021-00-10',
    '2021-01-00',
    '0000-01-01',
    'today',
    number('20201216'),
    number('0'),
    true,
    ['2020-12-16'],
    {},
  ].map((sent): [unknown, unknown] => [sent, INVALID_DAY]),
  [null, NULL],
]);

test('a field of an unknown kind is refused when the route is made', () => {
  for (const field of [Type.Number(), Type.Array(Type.String()), Type.Object({}), Type.Null()]) {
    assert.throws(() => compileNormaliser(Type.Object({ field })), TypeError);
  }
});

const INVALID_INTEGER = refused('A valid integer is required.');
table('an integer, as text or as a number', 'limit', [
  [number('3'), 3],
  [number('3.0'), 3],
  [number('3.5'), INVALID_INTEGER],
  [number('1e999'), INVALID_INTEGER],
  ['1', 1],
  ['+5', 5],
  ['007', 7],
  [' 12 ', 12],
  ['\x1c12\u0085', 12],
  ['1000', 1000],
  ['0', refused('Ensure this value is greater than or equal to 1.')],
  ['-5', refused('Ensure this value is greater than or equal to 1.')],
  ['1001', refused('Ensure this value is less than or equal to 1000.')],
  ...['', ' ', 'ten', '1.5', '1e2', '0x10', '1 0', '9'.repeat(400), 'NaN', 'Infinity'].map(
    (sent): [unknown, unknown] => [sent, INVALID_INTEGER],
  ),
]);

// As CPython prints them: str(json.loads(source)).
const PYTHON: Record<string, string> = {
  '0': '0',
  '-0': '0',
  '-7': '-7',
  '12345678901234567890123': '12345678901234567890123',
  '1.0': '1.0',
  '-0.0': '-0.0',
  '0e5': '0.0',
  '1e2': '100.0',
  '1.0E+2': '100.0',
  '0.1': '0.1',
  '0.30000000000000004': '0.30000000000000004',
  '123456789.123456789': '123456789.12345679',
  '0.0001': '0.0001',
  '0.00001': '1e-05',
  '-1.5e-7': '-1.5e-07',
  '2e-10': '2e-10',
  '1e15': '1000000000000000.0',
  '9999999999999998.0': '9999999999999998.0',
  '1e16': '1e+16',
  '1e22': '1e+22',
  '1e100': '1e+100',
  '1.7976931348623157e308': '1.7976931348623157e+308',
  '5e-324': '5e-324',
  '1e400': 'inf',
  '-1e400': '-inf',
};
for (const [source, text] of Object.entries(PYTHON)) {
  test(`the number ${source} is ${text} as text`, () => assert.equal(number(source).text, text));
}

test('the text of a number is the same number', () => {
  fc.assert(
    fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (value) => {
      const { text, type } = number(value.toExponential());
      assert.equal(type, 'float');
      // The text that JavaScript gives of -0 has no sign.
      assert.equal(Number(text), value + 0);
    }),
  );
});

test('each bad field has its messages, all fields at once', () => {
  const sent = { body: null, password: '', done: 'maybe', day: 'today', limit: 'ten' };
  assert.deepEqual(validate(sent).error?.body, {
    title: ['This field is required.'],
    body: ['This field may not be null.'],
    password: ['This field may not be blank.'],
    done: ['Must be a valid boolean.'],
    day: INVALID_DAY.messages,
    limit: ['A valid integer is required.'],
  });
});

test('unknown fields are dropped, whatever their names', () => {
  const sent = JSON.parse('{"title": "a", "id": 7, "__proto__": {"body": "b"}, "constructor": 1, "toString": null}');
  assert.deepEqual(validate(sent).value, { title: 'a' });
  assert.deepEqual(validate(Object.create({ title: 'inherited' })).error?.body, { title: ['This field is required.'] });
});

suite('a box of a form', () => {
  const form = (fields: object) => Object.assign(new FormFields(), fields);
  const cases: [string, Validate, object, object][] = [
    ['that is not sent is not ticked', (sent) => validate(sent), { title: 'a' }, { title: 'a', done: false }],
    ['that is sent is ticked', (sent) => validate(sent), { title: 'a', done: 'on' }, { title: 'a', done: true }],
    ['that is sent blank says nothing', (sent) => validate(sent), { title: 'a', done: '' }, { title: 'a' }],
    ['that is not sent says nothing to a PATCH', (sent) => validatePatch(sent), {}, {}],
    [
      'that is not sent says nothing in JSON',
      (sent) => validate({ ...(sent as object) }),
      { title: 'a' },
      { title: 'a' },
    ],
  ];
  for (const [name, judgeForm, sent, taken] of cases) {
    test(name, () => assert.deepEqual(judgeForm(form(sent)).value, taken));
  }
});

test('a body that is no object is named in the words of Python', () => {
  const cases: [unknown, string][] = [
    [[], 'Invalid data. Expected a dictionary, but got list.'],
    ['text', 'Invalid data. Expected a dictionary, but got str.'],
    [number('1'), 'Invalid data. Expected a dictionary, but got int.'],
    [number('1.0'), 'Invalid data. Expected a dictionary, but got float.'],
    [true, 'Invalid data. Expected a dictionary, but got bool.'],
    [null, 'No data provided'],
  ];
  for (const [sent, message] of cases) {
    assert.deepEqual(notAnObject(sent), { non_field_errors: [message] });
    assert.deepEqual(validate(sent).error?.body, { non_field_errors: [message] });
  }
});

// The characters of which Python's str.isspace is true.
const SPACES = new Set(
  [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680]
    .concat([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => 0x2000 + n))
    .concat([0x2028, 0x2029, 0x202f, 0x205f, 0x3000])
    .map((code) => String.fromCharCode(code)),
);

suite('trim', () => {
  test("cuts off what Python's str.strip does, and nothing else", () => {
    for (let code = 0; code < 0x10000; code++) {
      const character = String.fromCharCode(code);
      const expected = SPACES.has(character) ? 'a b' : `${character}a b${character}`;
      assert.equal(trim(`${character}a b${character}`), expected, code.toString(16));
    }
  });

  // The library's own unit `binary` would take a second to be made.
  const character = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));
  const padded = fc.string({ unit: fc.oneof(fc.constantFrom(...SPACES), character) });

  test('cuts off white space only, and all of it', () => {
    fc.assert(
      fc.property(padded, (text) => {
        const trimmed = trim(text);
        const [before = '', after = '', ...more] = trimmed === '' ? [text] : text.split(trimmed);
        assert.ok([...before, ...(more.length > 0 ? '' : after)].every((character) => SPACES.has(character)));
        assert.ok(!SPACES.has(trimmed[0] ?? '') && !SPACES.has(trimmed.at(-1) ?? ''));
      }),
    );
  });

  test('of what is trimmed changes nothing', () => {
    fc.assert(fc.property(padded, (text) => assert.equal(trim(trim(text)), trim(text))));
  });

  test('takes time in proportion to the length', () => {
    // In square proportion these would take hours.
    const blanks = ' '.repeat(5_000_000);
    assert.equal(trim(`a${blanks}b`), `a${blanks}b`);
    assert.equal(trim(`${blanks}a${blanks}`), 'a');
    assert.equal(trim(blanks), '');
  });
});

test('a day is on the calendar', () => {
  const digits = (value: number, length: number) => String(value).padStart(length, '0');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9999 }), fc.nat(14), fc.nat(33), (year, month, day) => {
      const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
      const lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
      const exists = year > 0 && day > 0 && day <= (lengths[month - 1] ?? 0);
      assert.equal(isDay(`${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`), exists);
    }),
    { numRuns: 1000 },
  );
});
