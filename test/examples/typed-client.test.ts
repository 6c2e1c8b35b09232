import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { packagePath } from '../../src/package.ts';
import { PASSWORD, temporaryDirectory } from '../helper.ts';
import { run, startServer } from '../src/helper.ts';

const execute = promisify(execFile);

test('the typed client does what it says, and what the document does not have it does not compile', async (t) => {
  const directory = temporaryDirectory(t);
  const server = await startServer(t, { directory });
  const user = ['createuser', '--username', 'paul', '--email', 'paul@domain.com', '--password-stdin'];
  const made = await run(user, { directory, input: PASSWORD });
  assert.equal(made.code, 0, made.stderr);

  const cwd = join(directory, 'client');
  for (const file of ['client.ts', 'package.json', 'package-lock.json', 'tsconfig.json']) {
    cpSync(packagePath(`examples/typed-client/${file}`), join(cwd, file));
  }
  const env = { ...process.env, TODO_API: server.origin, TODO_USERNAME: 'paul', TODO_PASSWORD: PASSWORD };
  await execute('npm', ['ci'], { cwd });
  const { stdout } = await execute('npm', ['start', '--silent'], { cwd, env });
  const [, printed] = stdout.split(/(?=^listed)/m);
  assert.equal(
    printed,
    "listed 1 and read Buy milk\nchanged Buy milk true\nrefused [ 'This field may not be blank.' ]\ndeleted 204\n",
  );

  const code = readFileSync(join(cwd, 'client.ts'), 'utf8');
  const wrong = MISTAKES.reduce((text, [right, mistake]) => text.replace(right, mistake), code);
  writeFileSync(join(cwd, 'client.ts'), wrong);
  const { stdout: errors } = await execute('npx', ['tsc', '--noEmit'], { cwd }).catch((error) => error);
  for (const [, mistake, error] of MISTAKES) assert.match(errors, error, mistake);
});

const MISTAKES = [
  ["'/api/v1/todo', { params", "'/api/v1/todos', { params", /'"\/api\/v1\/todos"' is not assignable/],
  ["title: 'Buy milk'", "titel: 'Buy milk'", /'titel' does not exist in type/],
  ['id: created.data.id', 'id: created.data.title', /'string' is not assignable to type 'number'/],
  ['changed.data?.title', 'changed.data?.name', /'name' does not exist on type/],
  ['refused.error.title', 'refused.error.heading', /'heading' does not exist on type/],
] as const;
