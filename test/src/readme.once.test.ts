import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Config } from '../../src/config.ts';
import { packagePath } from '../../src/package.ts';
import { addUser, build, PASSWORD } from '../helper.ts';

const readme = readFileSync(packagePath('README.md'), 'utf8');

interface Setting {
  default?: unknown;
  description: string;
}
const settings = Object.entries(Config.properties as unknown as Record<string, Setting>);

test('the table of settings is the one of the schema', () => {
  const rows = settings.map(([name, { default: value, description }]) => {
    return `| \`${name}\` | ${value === undefined || value === '' ? 'none' : `\`${value}\``} | ${description} |`;
  });
  assert.ok(readme.includes(rows.join('\n')), `The README should hold:\n${rows.join('\n')}`);
});

test('.env.example names every setting, and sets none', () => {
  const lines = readFileSync(packagePath('.env.example'), 'utf8').split('\n');
  const names = lines.filter((line) => /^#[A-Z]/.test(line)).map((line) => line.slice(1).split('=')[0]);
  assert.deepEqual(
    names,
    settings.map(([name]) => name),
  );
  assert.ok(lines.every((line) => line === '' || line.startsWith('#')));
});

test('the typed client is shown as it is', () => {
  const client = readFileSync(packagePath('examples/typed-client/client.ts'), 'utf8');
  const [, shown] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  assert.equal(shown, client);
});

test('the lines for curl do what they say, pasted as they stand', async (t) => {
  const service = await build(t);
  await addUser(service, 'paul', { isSuperuser: true });
  const blocks = [...readme.matchAll(/```sh\n(API=.*?)```/gs)].map(([, block]) => block as string);
  assert.equal(blocks.length, 2);
  const answers: string[] = [];
  for (const block of blocks) {
    const script = block.replace('http://127.0.0.1:8000', service.origin).replaceAll(/^curl .*$/gm, '$& && echo');
    const env = { ...process.env, TODO_SUPERUSER_PASSWORD: PASSWORD };
    const { stdout } = await promisify(execFile)('sh', ['-euc', script], { env });
    answers.push(...stdout.split('\n').slice(0, -1));
  }
  const [created, list, changed, removed, byJwt, listByJwt, loggedOut] = answers.map(
    (text) => text && JSON.parse(text),
  );
  assert.equal(created.title, 'Buy milk');
  assert.deepEqual(list, [created]);
  assert.deepEqual(changed, { ...created, is_completed: true });
  assert.equal(removed, '');
  assert.equal(byJwt.body, 'whole grain');
  assert.deepEqual(listByJwt, [byJwt]);
  assert.deepEqual(loggedOut, {});
});
