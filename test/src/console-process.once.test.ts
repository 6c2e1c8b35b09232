import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { suite, type TestContext, test } from 'node:test';
import { runCommand } from '../../src/commands/index.ts';
import type { Shell } from '../../src/console.ts';
import { packagePath, version } from '../../src/package.ts';
import { build, PASSWORD, SECRET_KEY, send, temporaryDirectory, until } from '../helper.ts';
import { CLI, call, environment, run } from './helper.ts';

import { done, failed, follow, HINT, messages, type Stage, setUp, stop } from './helper-console.ts';

const COMMANDS = {
  serve: '',
  migrate: '',
  check: '',
  backup: '<file>',
  restore: '<file>',
  createsuperuser: '',
  createuser: '',
  changepassword: '<username>',
  activate: '<username>',
  deactivate: '<username>',
  deleteuser: '<username>',
  createtoken: '<username>',
  flushexpiredtokens: '',
  generatekey: '',
  studio: '',
  openapi: '',
};

// A question that never comes would end a test here.
const GUARD = { timeout: 60_000 };

suite('help', () => {
  test('names every command', async (t) => {
    const { code, stdout } = await call(['--help'], { directory: temporaryDirectory(t) });
    assert.equal(code, 0);
    const names = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
    assert.deepEqual(names, [...Object.keys(COMMANDS), 'help']);
  });

  for (const [name, argument] of Object.entries(COMMANDS)) {
    test(`of ${name} and its version need no settings and touch nothing`, async (t) => {
      const options = { directory: temporaryDirectory(t), settings: { PORT: 'wrong' } };
      const [help, versions] = await Promise.all([call([name, '--help'], options), call([name, '--version'], options)]);
      assert.equal(help.code, 0);
      assert.ok(
        help.stdout.startsWith(`Usage: todo-api ${name} [options]${argument && ` ${argument}`}\n`),
        help.stdout,
      );
      assert.deepEqual(versions, done(`${version}\n`));
      assert.deepEqual(readdirSync(options.directory), []);
    });
  }

  test('comes where nothing, or nothing known, was asked', async (t) => {
    const directory = temporaryDirectory(t);
    const wrong: [string[], RegExp][] = [
      [[], /^Usage: todo-api/],
      [['runserver'], /^error: unknown command 'runserver'/],
      [['createtoken'], /^error: missing required argument 'username'/],
      [['createuser', '--password', 'x'], /^error: unknown option '--password'/],
      [['studio', '--port', '0'], /^error: .*A port is 1 to 65535\./],
    ];
    const outcomes = await Promise.all(wrong.map(([args]) => call(args, { directory })));
    for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
      const [args, message] = wrong[index] as (typeof wrong)[number];
      assert.equal(code, 1, args.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, message);
      assert.match(stderr, /Usage: todo-api/);
    }
  });

  test('is what the package runs', () => {
    assert.match(
      readFileSync(packagePath('bin/todo-api.js'), 'utf8'),
      /^#!\/usr\/bin\/env -S node --max-semi-space-size=4 --single-threaded-gc\nimport '\.\.\/dist\/src\/cli\.js';\n$/,
    );
    assert.ok(statSync(packagePath('bin/todo-api.js')).mode & 0o100);
  });
});

test('openapi prints the document, and leaves nothing behind', async (t) => {
  const [directory, temporary] = [temporaryDirectory(t), temporaryDirectory(t)];
  process.env.TMPDIR = temporary;
  t.after(() => {
    process.env.TMPDIR = dirname(temporary);
  });
  const elsewhere = { DATABASE_URL: 'postgresql://paul@127.0.0.1:1/todo' };
  const asked = [
    [call, { SECRET_KEY: '' }],
    [call, elsewhere],
    [run, { LOG_LEVEL: 'trace', TMPDIR: temporary }],
  ] as const;
  for (const [ask, settings] of asked) {
    const { code, stdout, stderr } = await ask(['openapi'], { directory, settings });
    assert.deepEqual([code, stderr], [0, '']);
    const document = JSON.parse(stdout);
    assert.match(document.openapi, /^3\.1\./);
    assert.ok(document.paths['/api/v1/todo']);
    assert.deepEqual([...readdirSync(directory), ...readdirSync(temporary)], []);
  }
});

suite('serve', () => {
  test('says where it is, and what to do while there is no user, and ends with 0 on SIGTERM', async (t) => {
    const { serve } = await setUp(t);
    const service = await serve();
    await service.until(new RegExp(HINT));
    assert.equal((await send(service.origin, 'GET', '/healthz')).status, 200);
    assert.equal(await stop(service, 'SIGTERM'), 0);
    const lines = messages(service.output());
    assert.ok(lines.includes(`API: ${service.origin}/api/v1/todo/`));
    assert.ok(lines.includes(`Documentation: ${service.origin}/docs/`));
    await assert.rejects(send(service.origin, 'GET', '/healthz'), { code: 'ECONNREFUSED' });
  });

  test('ends with 0, and without a word, when it is stopped as soon as it listens', async (t) => {
    const { serve } = await setUp(t);
    const service = await serve();
    const code = await stop(service, 'SIGTERM');
    assert.doesNotMatch(service.output(), /todo-api:|Error/);
    assert.equal(code, 0);
  });

  test('answers what is under way when it is stopped, and has no hint where there is a user', async (t) => {
    const { call, prisma, serve } = await setUp(t, ['paul']);
    const { stdout } = await call(['createtoken', 'paul']);
    const service = await serve();
    assert.equal((await send(service.origin, 'GET', '/readyz')).status, 200);
    const authorization = `Token ${stdout.split(' ')[2]}`;
    const requests = Array.from({ length: 10 }, () => {
      const headers = { authorization, 'content-type': 'application/json', expect: '100-continue' };
      const outgoing = request(`${service.origin}/api/v1/todo/`, { method: 'POST', headers, agent: false });
      outgoing.flushHeaders();
      return outgoing;
    });
    await Promise.all(requests.map((outgoing) => once(outgoing, 'continue')));
    const ended = stop(service, 'SIGTERM');
    await until('it no longer listens', () =>
      send(service.origin, 'GET', '/healthz').then(
        () => false,
        () => true,
      ),
    );
    const answers = requests.map((outgoing) => once(outgoing.end('{"title": "a"}'), 'response'));
    for (const [{ statusCode }] of await Promise.all(answers)) assert.equal(statusCode, 201);
    assert.equal(await ended, 0);
    assert.equal(await prisma.todo.count(), 10);
    assert.ok(!messages(service.output()).includes(HINT));
  });

  test('tells of a port that is taken', async (t) => {
    const other = createServer().listen(0, '127.0.0.1');
    t.after(() => other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { directory, settings } = await setUp(t);
    // In a process of its own, which ends though the app is open.
    assert.deepEqual(
      await run(['serve'], { directory, settings: { ...settings, PORT: String(port), LOG_LEVEL: 'warn' } }),
      failed(`listen EADDRINUSE: address already in use 127.0.0.1:${port}`),
    );
  });

  test('lets the console work on the same database', async (t) => {
    const { call, settings } = await setUp(t);
    const { send } = await build(t, settings);
    const args = ['createuser', '--username', 'paul', '--password-stdin'];
    assert.equal((await call(args, { input: PASSWORD })).code, 0);
    const token = async (...options: string[]) =>
      (await call(['createtoken', 'paul', ...options])).stdout.split(' ')[2];
    const list = async (key: string | undefined) => {
      const { status, body } = await send('GET', '/api/v1/todo/', { authorization: `Token ${key}` });
      return status === 200 ? 200 : body.detail;
    };

    const json = { username: 'paul', password: PASSWORD };
    const { body } = await send('POST', '/api/token', { json });
    const first = await token();
    assert.equal(first, body.token);
    assert.equal(await list(first), 200);
    await call(['deactivate', 'paul']);
    assert.equal(await list(first), 'User inactive or deleted.');
    await call(['activate', 'paul']);
    assert.equal(await list(first), 200);
    const second = await token('-r');
    assert.deepEqual([await list(first), await list(second)], ['Invalid token.', 200]);
    assert.equal((await call(['deleteuser', 'paul', '-y'])).code, 0);
    assert.equal(await list(second), 'Invalid token.');
  });

  test('writes no secret, password or token to its log', async (t) => {
    const { call, serve } = await setUp(t);
    const input = PASSWORD;
    await call(['createsuperuser', '--username', 'paul', '--password-stdin'], { input });
    const service = await serve({ LOG_LEVEL: 'trace' });
    const { origin } = service;
    const post = (path: string, json: unknown, authorization = '') =>
      send(origin, 'POST', path, { json, authorization });
    const credentials = { username: 'paul', password: PASSWORD };
    const { token } = (await post('/api/token', credentials)).body;
    const { access, refresh } = (await post('/api/jwt/token/', credentials)).body;
    const secrets = [PASSWORD, SECRET_KEY, token, access, refresh, 'hunter2'];

    await post('/api/token', { ...credentials, password: 'hunter2' });
    await send(origin, 'POST', '/api/token', {
      body: '{"password": "hunter2"',
      headers: { 'content-type': 'application/json' },
    });
    await send(origin, 'POST', '/api/token', { body: 'hunter2', headers: { 'content-type': 'text/hunter2' } });
    for (const authorization of [
      `Token ${token}`,
      `Bearer ${access}`,
      'Token hunter2',
      'Bearer hunter2',
      'Basic hunter2',
    ]) {
      await send(origin, 'GET', `/api/v1/todo/?token=hunter2&limit=hunter2`, { authorization });
      await send(origin, 'GET', `/nowhere?token=hunter2`, { authorization });
      await send(origin, 'POST', '/api/v1/todo/', { authorization, json: { title: 'hunter2' } });
    }
    await post('/api/jwt/token/refresh/', { refresh });
    await post('/api/jwt/token/verify/', { token: access });
    await post('/api/jwt/token/blacklist/', { refresh });
    await post('/api/jwt/token/refresh/', { refresh });
    await stop(service, 'SIGTERM');
    const output = service.output();
    assert.ok(messages(output).filter((message) => message === 'request').length >= 20);
    for (const secret of secrets) assert.ok(!output.includes(secret), secret);
  });
});

// `script` of util-linux gives a program a terminal; other systems have another one of that name, or none.
const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux');
const ON_SCRIPT = { skip: !hasScript && 'there is no `script` of util-linux' };

/** Answers the questions of a command: each time the text is shown, these keys are pressed. */
type Answers = [prompt: RegExp, keys: string][];

/** Runs a command on a terminal, and answers its questions. */
async function converse(t: TestContext, command: string, { directory, settings }: Stage, answers: Answers) {
  const line = `stty cols 100 rows 40; exec '${process.execPath}' '${CLI}' ${command}`;
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    cwd: directory,
    env: environment({ TERM: 'xterm', SHELL: '/bin/sh', PORT: '0', SHUTDOWN_DELAY: '0', ...settings }),
  });
  const output = follow([child.stdout, child.stderr]);
  t.after(() => child.kill('SIGKILL'));
  const closed = once(child, 'close');
  await answer(output, answers, child.stdin);
  const [code] = await closed;
  return { code, text: output.text() };
}

/** Does so in this process, and without a true terminal. */
async function converseHere(command: string, { settings }: Stage, answers: Answers) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode() {} });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const shell: Shell = { env: environment(settings), stdin, stdout, stderr };
  const output = follow([stdout, stderr]);
  const closed = Promise.all([once(stdout, 'close'), once(stderr, 'close')]);
  const ran = runCommand(command.split(' '), shell).finally(() => [stdout, stderr].map((stream) => stream.end()));
  await answer(output, answers, stdin);
  await Promise.all([ran, closed]);
  return { code: shell.exitCode ?? 0, text: output.text() };
}

async function answer(output: ReturnType<typeof follow>, answers: Answers, stdin: Writable | null) {
  for (const [prompt, keys] of answers) {
    await output.until(prompt);
    stdin?.write(keys);
  }
}

suite('on a terminal', GUARD, () => {
  test('createsuperuser asks until the answers will do, and does not show the password', ON_SCRIPT, async (t) => {
    const stage = await setUp(t);
    const { code, text } = await converse(t, 'createsuperuser --email paul@domain.com', stage, [
      [/username:/, 'two words\r'],
      [/Enter a valid username/, `${'\x7f'.repeat(9)}paul\r`],
      [/password:/, `${PASSWORD}\r`],
      [/password \(again\):/, 'another\r'],
      [/Your passwords didn't match\.[\s\S]*password:/, 'qwertyuiop\r'],
      [/password \(again\):/, 'qwertyuiop\r'],
      [/too easy to guess\.[\s\S]*password:/, `${PASSWORD}\r`],
      [/password \(again\):/, `${PASSWORD}\r`],
      [/Superuser paul created\./, ''],
    ]);
    assert.equal(code, 0, text);
    assert.ok(!text.includes(PASSWORD) && !text.includes('qwertyuiop'));
    assert.equal((await stage.prisma.user.findUnique({ where: { username: 'paul' } }))?.email, 'paul@domain.com');
  });

  test('a question is cancelled by Ctrl-C', async (t) => {
    const stage = await setUp(t);
    for (const { code, text } of [
      await converseHere('createuser', stage, [[/username:/, '\x03']]),
      await converseHere('createuser --username paul', stage, [[/password:/, '\x03']]),
    ]) {
      assert.equal(code, 1, text);
      assert.match(text, /todo-api: Cancelled\./);
    }
    assert.equal(await stage.prisma.user.count(), 0);
  });

  test('deleteuser asks first', async (t) => {
    const stage = await setUp(t, ['paul']);
    const question = /Delete paul and all their todos\?/;
    for (const keys of ['\r', 'n', '\x03']) {
      const { code, text } = await converseHere('deleteuser paul', stage, [[question, keys]]);
      assert.equal(code, 1, text);
      assert.match(text, /todo-api: Cancelled\./);
    }
    assert.equal(await stage.prisma.user.count(), 1);
    const { code, text } = await converseHere('deleteuser paul', stage, [[question, 'y']]);
    assert.equal(code, 0, text);
    assert.match(text, /User paul deleted\./);
    assert.equal(await stage.prisma.user.count(), 0);
  });

  test('serve logs lines for people, and ends on Ctrl-C', ON_SCRIPT, async (t) => {
    const stage = await setUp(t);
    const { code, text } = await converse(t, 'serve', stage, [[/There is no user yet\./, '\x03']]);
    assert.equal(code, 0, text);
    assert.match(text, /\d\d:\d\d:\d\d\S* \S*INFO\S*: .*API: http:\/\/127\.0\.0\.1:\d+\/api\/v1\/todo\//);
    assert.doesNotMatch(text, /"level":/);
  });
});
