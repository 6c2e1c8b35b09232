import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextLink, readCursor } from '../../src/cursors.ts';
import { FieldErrors } from '../../src/errors.ts';

const cursorOf = (link: string) => new URL(link.slice(1, link.indexOf('>'))).searchParams.get('cursor') ?? undefined;
const encode = (text: string) => Buffer.from(text).toString('base64url');

test('a page begins after the id that its cursor names', () => {
  assert.equal(readCursor(undefined), 0);
  for (const id of [0, 1, 1000, 2 ** 31 - 1]) {
    assert.equal(readCursor(cursorOf(nextLink('http://127.0.0.1:8000', '/api/v1/todo/', id))), id);
  }
});

test('the link keeps the address and its other parameters', () => {
  const link = nextLink('https://todo.example', '/api/v1/todo?limit=10&cursor=old&q=%C3%A9', 7);
  assert.equal(link, `<https://todo.example/api/v1/todo?limit=10&cursor=${encode('after:7')}&q=%C3%A9>; rel="next"`);
});

test('what is no cursor is refused', () => {
  const strangers = ['', '7', 'garbage', encode('7'), encode('after:'), encode('after:-1'), encode('after:1.5')];
  for (const cursor of [...strangers, encode('after:1 OR 1=1'), encode(`after:${'9'.repeat(16)}`)]) {
    assert.throws(() => readCursor(cursor), new FieldErrors({ cursor: ['Invalid cursor.'] }), cursor);
  }
});
