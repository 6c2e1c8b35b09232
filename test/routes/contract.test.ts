import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cases, type Exchange, prepareCases } from '../contract/cases.ts';
import { type Answer, build } from '../helper.ts';

test('the exchanges recorded from the Django service', async (t) => {
  const { fill, repeat } = await prepareCases(await build(t));
  for (const recorded of cases) {
    await t.test(`${recorded.id}: ${recorded.title}`, async () => {
      const answers = await repeat(recorded);
      for (const [index, { answer }] of recorded.exchanges.entries()) compare(answers[index] as Answer, answer, fill);
    });
  }
});

function compare(answer: Answer, expected: Exchange['answer'], fill: (text: string) => string) {
  assert.equal(answer.status, expected.status, answer.text);
  if (expected.content_type) assert.equal(answer.headers['content-type']?.split(';')[0], expected.content_type);
  if (expected.body === null) assert.equal(answer.text, '');
  else if (expected.body !== undefined) {
    matches(answer.body, expected.body, fill, expected.status < 300);
  }
  if (expected.allow) {
    for (const method of expected.allow.split(', '))
      assert.ok(answer.headers.allow?.split(', ').includes(method), method);
  }
  const challenge = expected['www-authenticate'];
  if (challenge)
    assert.ok(answer.headers['www-authenticate']?.startsWith(challenge), answer.headers['www-authenticate']);
}

const FORMS: Record<string, (value: unknown) => boolean> = {
  '{{integer}}': Number.isInteger,
  '{{today}}': (value) => value === new Date().toISOString().slice(0, 10),
  '{{jwt}}': (value) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(String(value)),
  '{{array}}': Array.isArray,
};

/** Equal, where `{{…}}` stands for a form; a todo, and nothing else, may have more keys. */
function matches(actual: unknown, expected: unknown, fill: (text: string) => string, mayHaveMore: boolean): void {
  if (typeof expected === 'string') {
    const form = FORMS[expected];
    const [start = '', ...rest] = fill(expected).split('{{text}}');
    if (form) assert.ok(form(actual), `${JSON.stringify(actual)} is not ${expected}`);
    else if (rest.length > 0) assert.ok(String(actual).startsWith(start), `${actual}`);
    else assert.equal(actual, start);
    return;
  }
  if (typeof expected !== 'object' || expected === null) {
    assert.equal(actual, expected);
    return;
  }
  assert.equal(Array.isArray(actual), Array.isArray(expected));
  const isTodo = mayHaveMore && Object.hasOwn(expected, 'last_modified');
  const keys = Object.keys(actual as object).filter((key) => !isTodo || Object.hasOwn(expected, key));
  assert.deepEqual(keys.sort(), Object.keys(expected).sort());
  for (const [key, value] of Object.entries(expected)) {
    matches((actual as Record<string, unknown>)[key], value, fill, mayHaveMore);
  }
}
