import { JsonParseError } from '../errors.ts';
import { JsonNumber } from '../fields.ts';
import { limit, MAX_FIELDS, MAX_LEVELS } from './limits.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const [QUOTE, BACKSLASH, COMMA, COLON] = [...Buffer.from('"\\,:')] as [number, number, number, number];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [...Buffer.from('{}[]')];
const [MINUS, ZERO, NINE, SPACE] = [...Buffer.from('-09 ')] as [number, number, number, number];

/**
 * Parses JSON (RFC 8259) in UTF-8. A number that stands alone, or for a field of the outermost object, is a
 * JsonNumber, since JSON.parse loses how it was written.
 * @throws {JsonParseError}
 * @throws {BodyTooComplex} where it has too many fields, items or levels
 */
export function parseJson(bytes: Buffer): unknown {
  const numbers = survey(bytes);
  try {
    const text = UTF8.decode(bytes);
    const value = JSON.parse(text);
    if (typeof value === 'number') return new JsonNumber(text.trim());
    for (const { name, source } of numbers) {
      const key = JSON.parse(name);
      // Of a repeated field the last counts, which may be no number.
      if (typeof value[key] !== 'number') continue;
      Object.defineProperty(value, key, {
        value: new JsonNumber(source),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return value;
  } catch (error) {
    // V8 quotes the body, which may hold a secret.
    throw new JsonParseError((error as Error).message.replace(/, (?:\.{3})?".*/s, ''));
  }
}

interface NumberField {
  /** as it stands in the JSON, in quotation marks */
  name: string;
  source: string;
}

/**
 * Counts what JSON holds, and finds the numbers among the fields of its outermost object. Of what is no JSON it
 * may tell anything.
 */
function survey(bytes: Buffer): NumberField[] {
  const numbers: NumberField[] = [];
  let [items, levels] = [0, 0];
  // The last string.
  let [begin, end] = [0, 0];
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      begin = i++;
      while (i < bytes.length && bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
      end = i + 1;
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      limit(++levels, MAX_LEVELS, 'levels');
      limit(++items, MAX_FIELDS, 'fields');
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      levels--;
    } else if (byte === COMMA) {
      limit(++items, MAX_FIELDS, 'fields');
    } else if (byte === COLON && levels === 1) {
      const source = numberAfter(bytes, i + 1);
      if (source) numbers.push({ name: bytes.toString('utf8', begin, end), source });
    }
  }
  return numbers;
}

/** The number that stands at a place, after white space. */
function numberAfter(bytes: Buffer, place: number): string | undefined {
  let begin = place;
  while ((bytes[begin] ?? MINUS) <= SPACE) begin++;
  const first = bytes[begin] ?? SPACE;
  if (first !== MINUS && (first < ZERO || first > NINE)) return undefined;
  let end = begin;
  while (end < bytes.length && !ENDS_NUMBER[bytes[end] as number]) end++;
  return bytes.toString('latin1', begin, end);
}

const ENDS_NUMBER = Array.from({ length: 256 }, (_, byte) => byte <= SPACE || byte === COMMA || byte === CLOSE_OBJECT);
