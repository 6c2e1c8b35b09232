import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeWordFinder } from '../../src/database/words.ts';

const hasWords = makeWordFinder();

test('each word must occur in title or body', () => {
  assert.equal(hasWords('Buy milk', 'two litres', 'milk'), 1);
  assert.equal(hasWords('Buy milk', 'two litres', 'milk two'), 1);
  assert.equal(hasWords('Buy milk', 'two litres', 'milk bread'), 0);
  assert.equal(hasWords('Buy milk', '', 'milktwo'), 0);
  assert.equal(hasWords('a', 'b', ''), 1);
});

test('in any case, of any script', () => {
  for (const [text, word] of [
    ['Grüße', 'GRÜẞE'],
    ['Grüße', 'grüsse'],
    ['GRÜẞE', 'GRÜSSE'],
    ['yarın', 'YARIN'],
    ['ﬁsh', 'Fish'],
    ['և', 'ԵՒ'],
    ['ΐ', '\u0399\u0308\u0301'],
    ['Ärger', 'ärGER'],
    ['ΟΔΟΣ', 'οδος'],
    ['ОТЧЁТ', 'отчёт'],
    ['𐐀', '𐐨'],
  ] as const) {
    assert.equal(hasWords(text, '', word), 1, word);
    assert.equal(hasWords('', word, text), 1, word);
  }
  assert.equal(hasWords('resume', '', 'résumé'), 0);
  assert.equal(hasWords('ﬁsh', '', 'f'), 1, 'a part of what one small letter becomes');
});

test('no character is special', () => {
  for (const text of [
    '.',
    '*',
    '+',
    '?',
    '^',
    '$',
    '\\',
    '|',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '%',
    '_',
    '/',
    '-',
    '\\d',
    '(a+)+$',
  ]) {
    assert.equal(hasWords(`a${text}b`, '', text), 1, text);
    assert.equal(hasWords('letters and 123', '', text), 0, text);
  }
});
