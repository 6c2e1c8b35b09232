import { FieldErrors } from './errors.ts';
import { MAX_ID } from './ids.ts';

/** Opaque to clients: the id after which the page begins. */
function writeCursor(id: number): string {
  return Buffer.from(`after:${id}`).toString('base64url');
}

/**
 * The id after which a page begins, 0 without a cursor.
 * @throws {FieldErrors}
 */
export function readCursor(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const [, id] = /^after:(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (id === undefined) throw new FieldErrors({ cursor: ['Invalid cursor.'] });
  return Math.min(Number(id), MAX_ID);
}

/** The `Link` header (RFC 8288) to the page after `id`: the address of this page with another cursor. */
export function nextLink(origin: string, url: string, id: number): string {
  const next = new URL(url, 'http://localhost');
  next.searchParams.set('cursor', writeCursor(id));
  return `<${origin}${next.pathname}${next.search}>; rel="next"`;
}
