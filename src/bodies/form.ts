import { FormFields } from '../fields.ts';
import { countUpTo, limit, MAX_FIELDS } from './limits.ts';

const [PLUS, SPACE, PERCENT, AMPERSAND, EQUALS] = [...Buffer.from('+ %&=')] as [number, number, number, number, number];
const HEX = Array.from({ length: 256 }, (_, byte) => Number.parseInt(String.fromCharCode(byte), 16));

/**
 * Parses a URL-encoded form (https://url.spec.whatwg.org/#urlencoded-parsing). Of a repeated field the last counts.
 * @throws {BodyTooComplex} where it has too many fields
 */
export function parseForm(bytes: Buffer): FormFields {
  limit(countUpTo(MAX_FIELDS, bytes, '&') + 1, MAX_FIELDS, 'fields');
  const fields: [string, string][] = [];
  for (let begin = 0; begin <= bytes.length; ) {
    const next = bytes.indexOf(AMPERSAND, begin);
    const end = next === -1 ? bytes.length : next;
    const field = bytes.subarray(begin, end);
    const equals = field.indexOf(EQUALS);
    const split = equals === -1 ? field.length : equals;
    if (field.length > 0) fields.push([decode(field.subarray(0, split)), decode(field.subarray(split + 1))]);
    begin = end + 1;
  }
  return toForm(fields);
}

/** The fields of a form. A name such as `__proto__` is one like any other. */
export function toForm(fields: [string, unknown][]): FormFields {
  const form = new FormFields();
  for (const [name, value] of fields) Object.defineProperty(form, name, { value, configurable: true });
  return form;
}

/** Undoes plus signs and percent codes; what is no code stays as it is. */
function decode(bytes: Buffer): string {
  const decoded = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    const code = byte === PERCENT ? codeAt(bytes, i + 1) : Number.NaN;
    if (code >= 0) i += 2;
    decoded[length++] = code >= 0 ? code : byte === PLUS ? SPACE : byte;
  }
  return decoded.toString('utf8', 0, length);
}

/** The byte that two hexadecimal digits stand for, or NaN. */
function codeAt(bytes: Buffer, place: number): number {
  return (HEX[bytes[place] ?? 0] as number) * 16 + (HEX[bytes[place + 1] ?? 0] as number);
}
