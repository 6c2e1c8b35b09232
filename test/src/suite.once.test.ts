import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { packagePath } from '../../src/package.ts';

const files = readdirSync(packagePath('test'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.test.ts'),
);

/** Where a file waits at its top level after its first test, node:test may end before it has heard of the others. */
test('no test file waits at its top level after its first test', () => {
  assert.ok(files.length > 80);
  for (const file of files) {
    const lines = readFileSync(packagePath(`test/${file}`), 'utf8').split('\n');
    const first = lines.findIndex((line) => /^(test|suite|describe)\(/.test(line));
    const late = lines
      .slice(first)
      .find((line) => /^(await\b|(const|let)\b.*\bawait\b|for await\b|\}.*= await\b)/.test(line));
    assert.equal(late, undefined, file);
  }
});

test('every test file has an ending that the runner knows', () => {
  const known = /^(src|plugins|routes)\/[a-z0-9-]+(\.once|\.e2e)?\.test\.ts$/;
  const others = files.filter((file) => !known.test(file.replaceAll('\\', '/')));
  assert.deepEqual(others, ['examples/typed-client.test.ts']);
});
