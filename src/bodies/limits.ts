import { BodyTooComplex } from '../errors.ts';

// How much a body may hold. It is counted in the bytes, before any parser sees them.
/** Fields of an object or a form, and items of a list. */
export const MAX_FIELDS = 1000;
/** Lists and objects in each other. */
export const MAX_LEVELS = 100;
/** Parts of a multipart form. */
export const MAX_PARTS = 100;

/** @throws {BodyTooComplex} where a body has more of something than it may */
export function limit(count: number, most: number, what: string): void {
  if (count > most) throw new BodyTooComplex(`${most} ${what}`);
}

/** How often bytes hold a text; not counted on where it is more than `most`. */
export function countUpTo(most: number, bytes: Buffer, text: string): number {
  let count = 0;
  for (let at = bytes.indexOf(text); at !== -1 && count <= most; at = bytes.indexOf(text, at + text.length)) count++;
  return count;
}
