import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { packagePath } from '../../src/package.ts';
import { temporaryDirectory } from '../helper.ts';

// What the service is made of and its tests run on; not what is installed, built or generated.
const COPIED = ['src', 'plugins', 'routes', 'prisma', 'test', 'benchmarks'];
const CONFIGURATION = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'prisma.config.ts',
  'biome.json',
  'build.js',
  '.gitignore',
];

const page = readFileSync(packagePath('docs/extending.md'), 'utf8');
const section = page.slice(page.indexOf('## A resource of your own')).split(/^## /m)[1] as string;
const steps = [...section.matchAll(/^`([^`]+)`:\n```(\w+)\n(.*?)^```$/gms)].map(
  ([, path, language, text]) => ({ path, language, text }) as { path: string; language: string; text: string },
);
const commands = /^```sh\n(.*?)^```$/ms.exec(section)?.[1]?.trim().split('\n') ?? [];

function copyProject(directory: string): void {
  for (const name of [...COPIED, ...CONFIGURATION]) {
    cpSync(packagePath(name), join(directory, name), {
      recursive: true,
      filter: (path) => basename(path) !== 'generated',
    });
  }
  symlinkSync(packagePath('node_modules'), join(directory, 'node_modules'), 'junction');
}

/** Changes a file by the marked lines of a block, or makes a new one of a block without. */
function apply(directory: string, { path, language, text }: (typeof steps)[number]): void {
  const file = join(directory, path);
  if (language !== 'diff') {
    assert.ok(!existsSync(file), `${path} is no new file`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return;
  }
  const linesOf = (marks: string) =>
    text.replace(/^(.)(.*)\n/gm, (line, mark) => (marks.includes(mark) ? line.slice(1) : ''));
  const parts = readFileSync(file, 'utf8').split(linesOf(' -'));
  assert.equal(parts.length, 2, `${path} has the place once:\n${text}`);
  writeFileSync(file, parts.join(linesOf(' +')));
}

test('every block of the page on a resource is a step, or the commands after them', () => {
  assert.ok(commands.length > 0);
  assert.equal(section.match(/^```\w+$/gm)?.length, steps.length + 1);
});

test('a resource by the page on it, word for word', async (t) => {
  const directory = temporaryDirectory(t);
  copyProject(directory);
  for (const step of steps) apply(directory, step);

  // The copy has a table more than this run's template.
  delete process.env.TEST_TEMPLATE;
  // This run's own would have the tests and the coverage of the copy be its own.
  const { NODE_TEST_CONTEXT: _, NODE_V8_COVERAGE: __, ...env } = process.env;
  const run = (command: string) => {
    const { status, stdout, stderr } = spawnSync(command, { cwd: directory, env, encoding: 'utf8', shell: true });
    assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
    return stdout;
  };
  assert.match(String(commands.map(run).at(-1)), /^\S+ pass [1-9]\d*\n\S+ fail 0$/m);
  run('node build.js --check');
  const written = steps.filter(({ path }) => path.endsWith('.ts')).map(({ path }) => path);
  run(`node node_modules/@biomejs/biome/bin/biome check ${written.join(' ')}`);

  const { build } = await import(pathToFileURL(join(directory, 'dist/test/helper.js')).href);
  const { send } = await build(t);
  const { paths, tags } = (await send('GET', '/openapi.json')).body;
  const documented = Object.entries(paths)
    .filter(([path]) => path.startsWith('/api/v1/notes'))
    .map(([path, operations]) => [path, Object.keys(operations as object)]);
  assert.deepEqual(documented, [
    ['/api/v1/notes', ['get', 'post']],
    ['/api/v1/notes/{id}', ['get', 'patch', 'delete']],
  ]);
  assert.ok(tags.some(({ name }: { name: string }) => name === 'Notes'));
});
