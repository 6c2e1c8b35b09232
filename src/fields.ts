import type { ErrorObject } from 'ajv';
import { type TObject, type TSchema, Type } from './vendor/typebox.ts';

/**
 * The kinds of field that the API knows, as schemas; what a client may send for each (`normalise`);
 * and what it is told where that does not hold (`fieldErrors`). The rules are those of
 * Django REST Framework's CharField, BooleanField, DateField and IntegerField.
 */

const CHARACTERS = '^[^\\u0000\\ud800-\\udfff]*$';

/** Text without NUL and lone surrogates, trimmed before it is judged. Lengths count code points. */
export const Text = (options: { minLength?: number; maxLength?: number; description: string; examples?: string[] }) =>
  Type.String({ pattern: CHARACTERS, ...options });

/** Text that is neither trimmed nor shown. */
export const Secret = (options: { description: string; examples?: string[] }) =>
  Type.String({ pattern: CHARACTERS, minLength: 1, format: 'password', ...options });

export const Flag = (options: { description: string; default?: boolean; examples?: boolean[] }) =>
  Type.Boolean(options);

/** A day as YYYY-MM-DD; month and day may be sent with one digit. */
export const Day = (options: { description: string; examples?: string[] }) =>
  Type.String({ format: 'date', ...options });

/** The number of a row in a path, where it is digits; more than any row can have is a number like others. */
export const RowId = (options: { description: string; examples?: number[] }) =>
  Type.Integer({ format: 'int32', ...options });

/** A moment as ISO 8601, in UTC where no offset is given; null for none. */
export const Instant = (options: { description: string; examples?: (string | null)[] }) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', ...options });

/** A moment as ISO 8601, in UTC where no offset is given, or a day, for its beginning. */
export const Since = (options: { description: string; examples?: string[] }) =>
  Type.String({ format: 'date-time', 'x-accepts-day': true, ...options });

/** One of a few words. */
export const Choice = <Word extends string>(
  words: readonly Word[],
  options: { description: string; default?: Word; examples?: Word[] },
) => Type.Unsafe<Word>({ type: 'string', enum: words, ...options });

/** Some of a few words, as a list or as text with spaces between them; null for none. */
export const Words = <Word extends string>(
  words: readonly Word[],
  options: { description: string; examples?: (Word[] | null)[] },
) =>
  Type.Unsafe<Word[] | null>({
    type: ['array', 'null'],
    items: { type: 'string', enum: words },
    minItems: 1,
    ...options,
  });

/** A number in a JSON body, with the text that Python's `str` gives for it. */
export class JsonNumber {
  readonly value: number;
  readonly text: string;
  readonly type: 'int' | 'float';

  /** @param source the number as it stands in the JSON text */
  constructor(source: string) {
    this.value = Number(source);
    this.type = /^-?\d+$/.test(source) ? 'int' : 'float';
    this.text = this.type === 'int' ? source.replace(/^-0$/, '0') : floatText(this.value);
  }
}

// Python writes the same shortest digits as JavaScript, but keeps ".0", has an
// exponent below 1e-4 and from 1e16 on, and gives the exponent two digits.
function floatText(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.includes('.') ? text : `${text}.0`;
}

/** Marks what came from a form, where a box that is not ticked is not sent. */
export class FormFields {
  [name: string]: unknown;
}

const TRUE = new Set<unknown>([true, 1, ...'t T y Y yes Yes YES true True TRUE on On ON 1'.split(' ')]);
const FALSE = new Set<unknown>([false, 0, ...'f F n N no No NO false False FALSE off Off OFF 0'.split(' ')]);

// What Python's str.strip cuts off beside ASCII, which is not what String.prototype.trim does.
const SPACES = new Set([0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]);

function isSpace(code: number): boolean {
  if (code <= 0x20) return code >= 0x1c || (code >= 0x09 && code <= 0x0d);
  return code > 0x7f && (SPACES.has(code) || (code >= 0x2000 && code <= 0x200a));
}

/** Cuts white space off both ends, in linear time. */
export function trim(text: string): string {
  let [begin, end] = [0, text.length];
  while (begin < end && isSpace(text.charCodeAt(begin))) begin++;
  while (begin < end && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(begin, end);
}

type Normaliser = (value: unknown) => unknown;

function normaliserOf(
  schema: TSchema & {
    type?: string | string[];
    format?: string;
    items?: { enum?: unknown };
    description?: string;
    'x-accepts-day'?: boolean;
  },
): Normaliser {
  if (schema.type === 'boolean') return toFlag;
  if (schema.format === 'int32') return toRowId;
  if (schema.type === 'integer') return toInteger;
  if (schema.type?.includes('array') && schema.items?.enum) return toWords;
  if (schema.format === 'date') return toDay;
  if (schema.format === 'date-time') return schema['x-accepts-day'] ? toSince : toInstant;
  if (schema.type !== 'string')
    throw new TypeError(`Fields of type ${schema.type} are not known: ${schema.description}`);
  return schema.format === 'password' ? toText : (value) => trimmed(toText(value));
}

function toText(value: unknown): unknown {
  return value instanceof JsonNumber ? value.text : value;
}

function trimmed(value: unknown): unknown {
  return typeof value === 'string' ? trim(value) : value;
}

function toFlag(value: unknown): unknown {
  const plain = value instanceof JsonNumber ? value.value : value;
  return TRUE.has(plain) ? true : FALSE.has(plain) ? false : value;
}

function toInteger(value: unknown): unknown {
  if (value instanceof JsonNumber) return Number.isInteger(value.value) ? value.value : value;
  const text = trimmed(value);
  return typeof text === 'string' && /^[+-]?\d{1,15}$/.test(text) ? Number(text) : value;
}

function toRowId(digits: unknown): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}

function toDay(value: unknown): unknown {
  const [, year, month, day] = (typeof value === 'string' && /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(value)) || [];
  return year ? `${year}-${month?.padStart(2, '0')}-${day?.padStart(2, '0')}` : value;
}

// Of a text with words in it. A longer one is told that it is no list.
const MAX_WORDS_LENGTH = 10_000;

function splitWords(text: string): string[] {
  return trim(text).split(/ +/).filter(Boolean);
}

function toWords(value: unknown): unknown {
  const words = typeof value === 'string' && value.length <= MAX_WORDS_LENGTH ? splitWords(value) : value;
  // Of more words than these some are bad, and each is told.
  return Array.isArray(words) ? [...new Set(words)].slice(0, 100) : words;
}

function toInstant(value: unknown): unknown {
  return (typeof value === 'string' && readInstant(trim(value))) || value;
}

function toSince(value: unknown): unknown {
  const day = toDay(value);
  return typeof day === 'string' && isDay(day) ? `${day}T00:00:00.000Z` : toInstant(value);
}

const INSTANT = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?$/;

function readInstant(text: string): string | undefined {
  const [, day = '', time, offset = 'Z'] = INSTANT.exec(text) ?? [];
  const date = new Date(`${day}T${time}${offset.replace(/^(.\d\d)(\d\d)$/, '$1:$2')}`);
  return isDay(day) && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;
}

/** Whether a text is a moment in the form that `Instant` is brought into. */
export function isInstant(text: string): boolean {
  return readInstant(text) === text;
}

/** Whether a text can be stored, and is no longer than so many code points. */
export function isText(text: string, maxLength: number): boolean {
  return forbiddenCharacters(text).length === 0 && [...text].length <= maxLength;
}

/**
 * Compiles an object schema into a function that takes what a client sent and gives what the schema
 * may judge: only the known fields, each in its field's own form where it can be brought into it.
 * @throws {TypeError} where a field is of no kind that is known here
 */
export function compileNormaliser(schema: TObject): (input: object) => object {
  const fields = Object.entries(schema.properties).map(([name, field]) => ({
    name,
    normalise: normaliserOf(field),
    isFlag: (field as { type?: string }).type === 'boolean',
  }));
  const partial = !schema.required?.length;
  return (input) => {
    const output: Record<string, unknown> = {};
    const form = input instanceof FormFields;
    for (const { name, normalise, isFlag } of fields) {
      if (Object.hasOwn(input, name)) {
        const value = (input as Record<string, unknown>)[name];
        if (!(form && isFlag && value === '')) output[name] = normalise(value);
      } else if (form && isFlag && !partial) {
        output[name] = false;
      }
    }
    return output;
  };
}

/** Whether a text is YYYY-MM-DD and on the calendar, from year 1 to 9999. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || text.startsWith('0000')) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

type Fault = ErrorObject & { parentSchema?: { type?: string; format?: string; 'x-accepts-day'?: boolean } };

/** The messages for the client, by field; Ajv's `verbose` and `allErrors` must be on. */
export function fieldErrors(faults: ErrorObject[]): Record<string, string[]> {
  const messages: Record<string, string[]> = {};
  for (const fault of faults as Fault[]) {
    const field = fault.keyword === 'required' ? fault.params.missingProperty : fault.instancePath.split('/')[1];
    messages[field] = [...(messages[field] ?? []), ...messagesFor(fault)];
  }
  return messages;
}

function messagesFor({ keyword, data, params, parentSchema }: Fault): string[] {
  if (keyword === 'required') return ['This field is required.'];
  if (data === null) return ['This field may not be null.'];
  if (parentSchema?.format === 'date') {
    return ['Date has wrong format. Use one of these formats instead: YYYY-MM-DD.'];
  }
  if (parentSchema?.format === 'date-time') {
    const day = parentSchema['x-accepts-day'] ? 'YYYY-MM-DD, ' : '';
    return [
      `Datetime has wrong format. Use one of these formats instead: ${day}YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].`,
    ];
  }
  switch (keyword) {
    case 'type':
      if (params.type.includes('array')) return [`Expected a list of items but got type "${pythonType(data)}".`];
      return [TYPE_MESSAGES[params.type] ?? 'Invalid value.'];
    case 'enum':
      return typeof data === 'string' ? [`"${data}" is not a valid choice.`] : [];
    case 'minItems':
      return ['This selection may not be empty.'];
    case 'minLength':
      return ['This field may not be blank.'];
    case 'maxLength':
      return [`Ensure this field has no more than ${params.limit} characters.`];
    case 'minimum':
      return [`Ensure this value is greater than or equal to ${params.limit}.`];
    case 'maximum':
      return [`Ensure this value is less than or equal to ${params.limit}.`];
    default:
      return forbiddenCharacters(String(data));
  }
}

const TYPE_MESSAGES: Record<string, string> = {
  string: 'Not a valid string.',
  boolean: 'Must be a valid boolean.',
  integer: 'A valid integer is required.',
};

function forbiddenCharacters(text: string): string[] {
  const surrogate = /\p{Surrogate}/u.exec(text)?.[0];
  return [
    ...(text.includes('\0') ? ['Null characters are not allowed.'] : []),
    ...(surrogate
      ? [`Surrogate characters are not allowed: U+${surrogate.charCodeAt(0).toString(16).toUpperCase()}.`]
      : []),
  ];
}

/** Whether a value holds fields at all. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber);
}

/** What the client is told whose body is no object. */
export function notAnObject(value: unknown): Record<string, string[]> {
  const message =
    value === null ? 'No data provided' : `Invalid data. Expected a dictionary, but got ${pythonType(value)}.`;
  return { non_field_errors: [message] };
}

function pythonType(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'boolean') return 'bool';
  if (value instanceof JsonNumber) return value.type;
  return typeof value === 'object' ? 'dict' : 'str';
}
