import { etagOf } from '../etags.ts';

/** Todos as the API shows them. */
export interface Page {
  /** the array, as JSON text */
  json: string;
  etag: string;
  /** where the page after this one begins, where there is one */
  next?: Position | undefined;
  /** where the page before this one ends, where there may be one */
  previous?: Position | undefined;
}

/** The columns of each order; the last one tells todos apart. */
export const ORDERS = {
  id: ['id'],
  last_modified: ['updated_at', 'id'],
  title: ['title', 'id'],
} as const;

export type Order = keyof typeof ORDERS;

/** A place in an order: its columns' values. */
export type Position = [...values: string[], id: number];

/** What a list is asked for; `after` and `before` are places in its order, as its reader sees it. */
export interface ListQuery {
  order: Order;
  isDescending: boolean;
  limit: number;
  after?: Position | undefined;
  before?: Position | undefined;
  filter?: Filter | undefined;
}

/** All that is given must hold. Days are inclusive. */
export interface Filter {
  isCompleted?: boolean | undefined;
  createdAfter?: string | undefined;
  createdBefore?: string | undefined;
  /** as places have it: ISO 8601 with milliseconds and `+00:00` */
  modifiedSince?: string | undefined;
  /** each occurs in title or body, without regard to case */
  words?: string[] | undefined;
}

/** One way through an order by index, between two places that are no part of it. */
export interface Scan {
  order: Order;
  isDescending: boolean;
  over: Position;
  under: Position;
}

/** So many todos are looked at for a page at most; where a filter passes few of them, the page is short. */
export const MAX_SCANNED = 5000;

// So much is looked through for a page, times the words that are searched for; or one todo more. It takes SQLite,
// and with it the event loop, some 5 ms, whatever the letters are.
const MAX_SEARCHED = 2_000_000;

/**
 * What it costs to look through a todo, in both databases' SQL: its bytes, and twelve for each byte of a letter
 * beyond its first. To find the capitals of letters beyond ASCII takes up to twenty times as long.
 */
export const SEARCH_COST = '13 * octet_length(title || body) - 12 * length(title || body)';

// A page ends past so many characters; todos that are long would else make tens of megabytes.
const MAX_CHARACTERS = 1_000_000;

// Before and behind all that is stored: ids, times of both databases, and titles of up to 100 characters.
const ENDS: Record<Order, [over: Position, under: Position]> = {
  id: [[0], [2 ** 31]],
  last_modified: [
    ['0001-01-01T00:00:00.000+00:00', 0],
    ['9999-12-31T23:59:59.999+00:00', 2 ** 31],
  ],
  title: [
    ['', 0],
    ['\u{10ffff}'.repeat(101), 0],
  ],
};

/** The way on which the todos of a page are met: backwards for the page before a place. */
export function planScan({ order, isDescending, after, before, filter }: ListQuery): Scan {
  const isUpwards = isDescending === (before !== undefined);
  const place = before ?? after;
  let [over, under] = ENDS[order];
  if (place && isUpwards) over = place;
  else if (place) under = place;
  // By this order, what is older need not even be looked at.
  const since = order === 'last_modified' ? filter?.modifiedSince : undefined;
  if (since !== undefined && since > String(over[0])) over = [since, 0];
  return { order, isDescending: !isUpwards, over, under };
}

/** The order of a scan, as both databases have it. */
export function orderSql({ order, isDescending }: Scan): string {
  return `ORDER BY ${ORDERS[order].map((column) => `${column}${isDescending ? ' DESC' : ''}`)}`;
}

/** How much a search may look through for a page; nothing where none is made. */
export function searchable({ filter }: ListQuery): number[] {
  const words = filter?.words?.length ?? 0;
  return words > 0 ? [Math.ceil(MAX_SEARCHED / words)] : [];
}

/** The same way, up to a place and no further. */
export function endScan(scan: Scan, last: Position): Scan {
  return scan.isDescending ? { ...scan, over: beside(last, -1) } : { ...scan, under: beside(last, 1) };
}

/**
 * Makes the page of the todos that are met on a scan: as many as its limit, or fewer where they are
 * long; one more tells that there is a page beyond. `end` is where the scan was cut off.
 */
export function fillPage(
  { limit, after, before }: ListQuery,
  { isDescending }: Scan,
  todos: Iterable<[json: string, ...Position]>,
  end?: Position,
): Page {
  const page: string[] = [];
  let characters = 0;
  let first: Position | undefined;
  let last: Position | undefined;
  let beyond = end;
  for (const [json, ...position] of todos) {
    if (page.length === limit || characters > MAX_CHARACTERS) {
      beyond = last;
      break;
    }
    page.push(json);
    characters += json.length;
    first ??= position;
    last = position;
  }
  const start = before ?? after;
  const behind = start && (first ?? beside(start, isDescending ? -1 : 1));
  if (before) page.reverse();
  const json = `[${page.join(',')}]`;
  const ends = before ? { next: behind, previous: beyond } : { next: beyond, previous: behind };
  return { json, etag: etagOf(json), ...ends };
}

function beside(position: Position, step: 1 | -1): Position {
  return position.with(-1, (position.at(-1) as number) + step) as Position;
}
