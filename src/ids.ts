import { NotFound } from './errors.ts';

/** The greatest id of a row: both databases count in 31 bits. */
export const MAX_ID = 2 ** 31 - 1;

/** Whether a value can be the id of a row. */
export function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= MAX_ID;
}

/**
 * The id in a URL; one that no row can have is just unknown.
 * @throws {NotFound}
 */
export function readId(id: number): number {
  if (!isId(id)) throw new NotFound();
  return id;
}
