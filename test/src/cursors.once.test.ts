import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ORDERINGS, type Ordering, pageLinks, readCursor, readOrdering } from '../../src/cursors.ts';
import type { Position } from '../../src/database/index.ts';
import { FieldErrors } from '../../src/errors.ts';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The addresses of a Link header, by their relation. */
function linksOf(header: string | undefined): Record<string, URL> {
  const links = (header ?? '').split(', ').map((link) => /^<([^>]*)>; rel="(\w+)"$/.exec(link) ?? assert.fail(link));
  return Object.fromEntries(links.map(([, url, rel]) => [rel, new URL(url as string)]));
}

const POSITIONS: Record<string, Position[]> = {
  id: [[0], [1], [1000], [2 ** 31]],
  last_modified: [['2026-11-23T12:00:00.123+00:00', 7]],
  title: [
    ['', 1],
    ['Grüße 😀 <b>"\\', 2 ** 31 - 1],
    ['😀'.repeat(100), 3],
  ],
};

test('a page begins and ends where its cursor says', () => {
  for (const ordering of ORDERINGS) {
    for (const position of POSITIONS[readOrdering(ordering).order] ?? []) {
      const page = { json: '', etag: '', next: position, previous: position };
      const { next, prev } = linksOf(pageLinks('http://127.0.0.1:8000', '/api/v1/todo/', ordering, page));
      assert.deepEqual(readCursor(next?.searchParams.get('cursor') ?? '', ordering), { after: position });
      assert.deepEqual(readCursor(prev?.searchParams.get('cursor') ?? '', ordering), { before: position });
    }
  }
  assert.deepEqual(readCursor(undefined, 'title'), {});
});

test('an ordering is a column and a direction', () => {
  assert.deepEqual(readOrdering('-last_modified'), { order: 'last_modified', isDescending: true });
  assert.deepEqual(readOrdering('title'), { order: 'title', isDescending: false });
});

test('the link keeps the address and its other parameters', () => {
  const page = { json: '', etag: '', next: [7] satisfies Position };
  const link = pageLinks('https://todo.example', '/api/v1/todo?limit=10&cursor=old&q=%C3%A9', 'id', page);
  const cursor = encode(['id', 'after', 7]);
  assert.equal(link, `<https://todo.example/api/v1/todo?limit=10&cursor=${cursor}&q=%C3%A9>; rel="next"`);
  assert.equal(pageLinks('', '/', 'id', { json: '', etag: '' }), undefined);
});

test('what is no cursor is refused', () => {
  const time = '2026-11-23T12:00:00.123+00:00';
  const strangers: [cursor: string, ordering: Ordering][] = [
    ...['', '7', 'garbage', Buffer.from('after:7').toString('base64url')].map(
      (cursor) => [cursor, 'id'] as [string, 'id'],
    ),
    ...[
      7,
      null,
      {},
      '',
      [],
      ['id'],
      ['id', 'after'],
      ['id', 'after', -1],
      ['id', 'after', 1.5],
      ['id', 'after', '1'],
    ].map((value) => [encode(value), 'id'] as [string, 'id']),
    ...[
      ['id', 'between', 1],
      ['id', 'after', 2 ** 31 + 1],
      ['id', 'after', 1, 2],
      ['-id', 'after', 1],
      ['title', 'after', 1],
    ].map((value) => [encode(value), 'id'] as [string, 'id']),
    ...['a\0', '\ud800', 'a'.repeat(101), 7, null].map(
      (title) => [encode(['title', 'after', title, 1]), 'title'] as [string, 'title'],
    ),
    [encode(['title', 'after', 'a']), 'title'],
    [encode(['title', 'after', 'a', 'b', 1]), 'title'],
    ...[
      '',
      'now',
      '2026-11-23',
      '2026-02-30T12:00:00.123+00:00',
      time.replace('+00:00', 'Z'),
      time.replace('+00', '+01'),
    ].map((value) => [encode(['last_modified', 'after', value, 1]), 'last_modified'] as [string, 'last_modified']),
    [encode(['last_modified', 'after', time, 1]), '-last_modified'],
  ];
  for (const [cursor, ordering] of strangers) {
    assert.throws(
      () => readCursor(cursor, ordering),
      new FieldErrors({ cursor: ['Invalid cursor.'] }),
      Buffer.from(cursor, 'base64url').toString(),
    );
  }
});
