import { BodyTooComplex } from '../errors.ts';

/** How much a body may hold. It is counted in the bytes, before any parser sees them. */
export const MAX_FIELDS = 1000;
export const MAX_LEVELS = 100;
export const MAX_PARTS = 100;

/** @throws {BodyTooComplex} where a body has more of something than it may */
export function limit(count: number, most: number, what: string): void {
  if (count > most) throw new BodyTooComplex(`more than ${most} ${what}`);
}

/** @throws {BodyTooComplex} where bytes are more than so many things with a separator between them */
export function limitSeparators(bytes: Buffer, separator: string, most: number, what: string): void {
  let count = 0;
  for (let at = bytes.indexOf(separator); at !== -1; at = bytes.indexOf(separator, at + separator.length)) {
    limit(++count, most, what);
  }
}
