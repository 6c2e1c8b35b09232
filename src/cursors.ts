import type { Order, Page, Position } from './database/index.ts';
import { FieldErrors } from './errors.ts';
import { isInstant, isText } from './fields.ts';
import { MAX_ID } from './ids.ts';

/** The orders of a list as clients name them; with a minus from the other end. */
export const ORDERINGS = ['id', '-id', 'last_modified', '-last_modified', 'title', '-title'] as const;

export type Ordering = (typeof ORDERINGS)[number];

type Side = 'after' | 'before';

/** The order that an ordering names, and its direction. */
export function readOrdering(ordering: Ordering): { order: Order; isDescending: boolean } {
  return { order: ordering.replace('-', '') as Order, isDescending: ordering.startsWith('-') };
}

/** Opaque to clients: on which side of which place of an order a page lies. */
function writeCursor(ordering: Ordering, side: Side, position: Position): string {
  return Buffer.from(JSON.stringify([ordering, side, ...position])).toString('base64url');
}

/**
 * The place after or before which a page lies; none without a cursor.
 * @throws {FieldErrors} where the cursor is none, or of another ordering
 */
export function readCursor(cursor: string | undefined, ordering: Ordering): { [side in Side]?: Position } {
  if (cursor === undefined) return {};
  const [of, side, ...position] = parse(cursor);
  if (
    of !== ordering ||
    (side !== 'after' && side !== 'before') ||
    !isPosition(position, readOrdering(ordering).order)
  ) {
    throw new FieldErrors({ cursor: ['Invalid cursor.'] });
  }
  return { [side]: position };
}

function parse(cursor: string): unknown[] {
  try {
    const value = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function isPosition(values: unknown[], order: Order): values is Position {
  const id = values.at(-1);
  // A place may lie beside any id.
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > MAX_ID + 1) return false;
  const [value] = values;
  if (order === 'id') return values.length === 1;
  if (values.length !== 2 || typeof value !== 'string') return false;
  return order === 'title' ? isText(value, 100) : value.endsWith('+00:00') && isInstant(value.replace('+00:00', 'Z'));
}

/** The `Link` header (RFC 8288) to the pages beside one: its own address with other cursors. */
export function pageLinks(
  origin: string,
  url: string,
  ordering: Ordering,
  { next, previous }: Page,
): string | undefined {
  const links = [
    ...(next ? [linkTo('next', writeCursor(ordering, 'after', next))] : []),
    ...(previous ? [linkTo('prev', writeCursor(ordering, 'before', previous))] : []),
  ];
  return links.length > 0 ? links.join(', ') : undefined;

  function linkTo(rel: string, cursor: string): string {
    const page = new URL(url, 'http://localhost');
    page.searchParams.set('cursor', cursor);
    return `<${origin}${page.pathname}${page.search}>; rel="${rel}"`;
  }
}
