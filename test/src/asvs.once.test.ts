import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { packagePath } from '../../src/package.ts';

const rows = readFileSync(packagePath('docs/asvs.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| (\d|the other)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

test('every row says what is here, and names a test that is there or a reason', () => {
  assert.ok(rows.length > 50);
  for (const [, number, level, asks, here, shownBy] of rows) {
    assert.match(level ?? '', /^[12]/, number);
    assert.ok(asks && here && shownBy, number);
    const [, file] = /`(test\/[^`]+)`/.exec(shownBy) ?? [];
    if (file) assert.ok(existsSync(packagePath(file)), `${number}: ${file}`);
  }
});

test('the security events that are named are those of the code', () => {
  const source = readFileSync(packagePath('plugins/audit.ts'), 'utf8');
  const events = [...source.matchAll(/^ {2}'(\w+\.\w+)':/gm)].map(([, event]) => event);
  assert.ok(events.length > 10);
  const security = readFileSync(packagePath('SECURITY.md'), 'utf8');
  for (const event of events) assert.ok(security.includes(`\`${event}\``), event);
});
