import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { after, suite, type TestContext, test } from 'node:test';
import { digestApiToken } from '../../src/api-token-keys.ts';
import { runCommand } from '../../src/commands/index.ts';
import type { Shell } from '../../src/console.ts';
import { databasePath, openDatabase, type Prisma } from '../../src/database/index.ts';
import { packagePath, version } from '../../src/package.ts';
import {
  build,
  configure,
  isOnPostgresql,
  makeDatabase,
  PASSWORD,
  SECRET_KEY,
  send,
  temporaryDirectory,
  until,
} from '../helper.ts';
import { freePort } from '../ports.ts';
import { CLI, call, environment, insertUser, makeEmptyDatabase, type Outcome, type Run, run, start } from './helper.ts';

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

const done = (stdout: string): Outcome => ({ code: 0, stdout, stderr: '' });
const failed = (message: string): Outcome => ({ code: 1, stdout: '', stderr: `todo-api: ${message}\n` });

interface Stage {
  /** where commands run; on SQLite the database is in it */
  directory: string;
  settings: Record<string, string>;
  prisma: Prisma;
  /** Runs a command on the database to its end, in this process. */
  call(args: string[], options?: Omit<Run, 'directory' | 'wrapper'>): Promise<Outcome>;
  /** Starts the service on the database. */
  serve(settings?: Record<string, string>): Promise<Service>;
}

/** A database with the users that were asked for. */
async function setUp(t: Pick<TestContext, 'after'>, usernames: string[] = []): Promise<Stage> {
  const settings = await makeDatabase(t);
  const directory = isOnPostgresql ? temporaryDirectory(t) : dirname(databasePath(settings.DATABASE_URL as string));
  const { prisma, close } = await openDatabase(configure(settings));
  t.after(close);
  for (const username of usernames) await insertUser({ prisma }, username);
  const withOthers = (others?: Record<string, string>) => ({ directory, settings: { ...settings, ...others } });
  return {
    directory,
    settings,
    prisma,
    call: (args, options = {}) => call(args, { ...options, ...withOthers(options.settings) }),
    serve: (others) => serve(t, withOthers(others)),
  };
}

const withRingo = await setUp({ after: after as TestContext['after'] }, ['ringo']);

const ON_SQLITE = { skip: isOnPostgresql && 'this run is on PostgreSQL' };
const ON_POSTGRESQL = { skip: !isOnPostgresql && 'this run is on SQLite' };

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

suite('what cannot be used is told without a stack', () => {
  test('a setting that is wrong', async (t) => {
    const directory = temporaryDirectory(t);
    const settings = { PORT: 'http', SECRET_KEY: 'hunter2' };
    const commands = ['serve', 'migrate', 'openapi', 'flushexpiredtokens'];
    const outcomes = await Promise.all(commands.map((name) => call([name], { directory, settings })));
    for (const outcome of outcomes) assert.deepEqual(outcome, failed('PORT must be integer'));
    writeFileSync(join(directory, '.env'), 'PROT=8000\nSECRET_KEY=hunter2\n');
    const outcome = await call(['migrate'], { directory, settings: { SECRET_KEY: '' } });
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /^todo-api: PROT in \.env is not a setting of this service$/m);
    assert.doesNotMatch(outcome.stderr, /hunter2/);
  });

  test('a database of a newer version', async (t) => {
    const { call, prisma } = await setUp(t);
    await prisma.$executeRaw`INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', '99999999999999_x')`;
    const message = 'The database has migration 99999999999999_x, which this version of the service does not know.';
    const outcomes = [await call(['migrate']), await call(['activate', 'paul']), await call(['serve'])];
    for (const outcome of outcomes) assert.deepEqual(outcome, failed(message));
  });

  test('a directory that is missing', ON_SQLITE, async (t) => {
    const directory = temporaryDirectory(t);
    const { code, stderr } = await call(['migrate'], { directory, settings: { DATABASE_URL: 'file:no/such/todo.db' } });
    assert.equal(code, 1);
    assert.match(stderr, /^todo-api: ENOENT: no such file or directory, mkdir '.*no\/such'\n$/);
  });

  test('a directory in the place of the file', ON_SQLITE, async (t) => {
    const directory = temporaryDirectory(t);
    mkdirSync(join(directory, 'todo.db'));
    assert.deepEqual(
      await call(['serve'], { directory }),
      failed('The database cannot be used: unable to open database file'),
    );
  });

  test('a file that is no database', ON_SQLITE, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'todo.db'), 'Dear diary, '.repeat(1000));
    const outcome = await call(['createtoken', 'paul'], { directory });
    assert.deepEqual(outcome, failed('The database cannot be used: file is not a database'));
  });

  const isRoot = process.getuid?.() === 0;
  test('a file that cannot be written', {
    skip: ON_SQLITE.skip || (isRoot && 'the superuser of the system may write any file'),
  }, async (t) => {
    const { DATABASE_URL = '' } = await makeDatabase(t);
    const directory = dirname(databasePath(DATABASE_URL));
    chmodSync(databasePath(DATABASE_URL), 0o400);
    const args = ['createuser', '--username', 'paul', '--password-stdin'];
    const { code, stderr } = await call(args, { directory, input: PASSWORD });
    assert.equal(code, 1);
    assert.match(stderr, /^todo-api: The database cannot be used: .*readonly.*\n$/);
  });

  test('a secret beside the database that is too short', ON_SQLITE, async (t) => {
    const { directory, call } = await setUp(t, ['paul']);
    writeFileSync(join(directory, 'secret.key'), 'hunter2');
    const { code, stderr } = await call(['createtoken', 'paul'], { settings: { SECRET_KEY: '' } });
    assert.equal(code, 1);
    assert.match(stderr, /^todo-api: SECRET_KEY in .*secret\.key must have 32 bytes or more\n$/);
  });

  test('a server that is not there', async (t) => {
    const directory = temporaryDirectory(t);
    const settings = { DATABASE_URL: `postgresql://paul:hunter2@127.0.0.1:${await freePort()}/todo` };
    for (const outcome of await Promise.all(
      ['migrate', 'serve'].map((name) => call([name], { directory, settings })),
    )) {
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /^todo-api: .*ECONNREFUSED 127\.0\.0\.1:\d+\n$/);
      assert.equal(outcome.stdout, '');
    }
  });

  test('PostgreSQL without a secret', async (t) => {
    const settings = { DATABASE_URL: 'postgresql://paul:hunter2@127.0.0.1/todo', SECRET_KEY: '' };
    assert.deepEqual(
      await call(['serve'], { directory: temporaryDirectory(t), settings }),
      failed('SECRET_KEY must be set where the database is PostgreSQL: all processes share it'),
    );
  });

  test('a database or a user that the server does not know', ON_POSTGRESQL, async (t) => {
    const directory = temporaryDirectory(t);
    const [nowhere, nobody] = [0, 1].map(() => new URL(process.env.TEST_DATABASE_URL as string)) as [URL, URL];
    nowhere.pathname = 'nowhere';
    nobody.username = 'nobody';
    const outcomes = await Promise.all(
      [nowhere, nobody].map(({ href }) => call(['migrate'], { directory, settings: { DATABASE_URL: href } })),
    );
    assert.deepEqual(outcomes[0], failed('The database cannot be used: database "nowhere" does not exist'));
    assert.equal(outcomes[1]?.code, 1);
    assert.match(String(outcomes[1]?.stderr), /^todo-api: The database cannot be used: .*"nobody".*\n$/);
  });

  test('a database that was not migrated', ON_POSTGRESQL, async (t) => {
    const options = { directory: temporaryDirectory(t), settings: await makeEmptyDatabase(t) };
    const outcomes = [
      await call(['serve'], options),
      await call(['createtoken', 'paul'], options),
      await call(['studio', '--browser', 'none'], options),
    ];
    for (const outcome of outcomes) {
      assert.deepEqual({ ...outcome, stderr: '' }, { code: 1, stdout: '', stderr: '' });
      assert.match(outcome.stderr, /^todo-api: The database lacks migration \w+\. Run: npx todo-api migrate\n$/);
    }
    assert.match((await call(['migrate'], options)).stdout, /^(Applied \w+\n)+$/);
    assert.deepEqual(await call(['createtoken', 'paul'], options), failed('There is no user paul.'));
  });
});

suite('making users', () => {
  const email = ['--email', 'Paul@Domain.COM'];

  test('createuser takes the password from standard input', async (t) => {
    const { call, prisma } = await setUp(t);
    const args = ['createuser', '--username', ' ｐaul', ...email, '--password-stdin'];
    assert.deepEqual(await call(args, { input: `${PASSWORD}\n` }), done('User paul created.\n'));
    const user = await prisma.user.findUniqueOrThrow({ where: { username: 'paul' } });
    assert.deepEqual([user.email, user.isActive, user.isSuperuser], ['Paul@domain.com', true, false]);
  });

  test('createsuperuser takes the password from the environment', async (t) => {
    const { call, prisma } = await setUp(t);
    const options = { settings: { TODO_SUPERUSER_PASSWORD: PASSWORD } };
    assert.deepEqual(await call(['createsuperuser', '--username', 'paul'], options), done('Superuser paul created.\n'));
    const user = await prisma.user.findUniqueOrThrow({ where: { username: 'paul' } });
    assert.deepEqual([user.email, user.isActive, user.isSuperuser], ['', true, true]);
  });

  const refusals: [name: string, args: string[], options: Omit<Run, 'directory' | 'wrapper'>, message: string][] = [
    [
      'a username that is taken',
      ['createuser', '--username', 'ringo', '--password-stdin'],
      { input: PASSWORD },
      'A user with that username already exists.',
    ],
    [
      'a username that is none',
      ['createuser', '--username', 'two words', '--password-stdin'],
      { input: PASSWORD },
      'Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.',
    ],
    [
      'a blank username',
      ['createuser', '--username', '', '--password-stdin'],
      { input: PASSWORD },
      'This field cannot be blank.',
    ],
    [
      'an e-mail address that is none',
      ['createsuperuser', '--username', 'paul', '--email', 'paul', '--password-stdin'],
      { input: PASSWORD },
      'Enter a valid email address.',
    ],
    [
      'a weak password',
      ['createuser', '--username', 'paul', '--password-stdin'],
      { input: 'qwertyuiop\n' },
      'This password is too easy to guess.',
    ],
    [
      'a password that is short and numeric',
      ['createsuperuser', '--username', 'paul'],
      { settings: { TODO_SUPERUSER_PASSWORD: '1234567' } },
      'This password is too short. It must contain at least 8 characters.\nThis password is entirely numeric.',
    ],
    [
      'no password, without a terminal',
      ['createsuperuser', '--username', 'paul'],
      {},
      'Give the password by --password-stdin; there is no terminal to ask on.',
    ],
    [
      'the password of the environment for a user who is no superuser',
      ['createuser', '--username', 'paul'],
      { settings: { TODO_SUPERUSER_PASSWORD: PASSWORD } },
      'Give the password by --password-stdin; there is no terminal to ask on.',
    ],
    [
      'no username, without a terminal',
      ['createuser', '--password-stdin'],
      { input: PASSWORD },
      'Give --username; there is no terminal to ask on.',
    ],
  ];
  for (const [name, args, options, message] of refusals) {
    test(`refuses ${name}`, async () => {
      const { call, prisma } = withRingo;
      assert.deepEqual(await call(args, options), failed(message));
      assert.equal(await prisma.user.count(), 1);
    });
  }

  test('keeps a password as it was given, but for the end of the line', async (t) => {
    const { call, settings } = await setUp(t);
    const args = ['createsuperuser', '--username', 'paul', '--password-stdin'];
    assert.equal((await call(args, { input: ` ${PASSWORD} \r\n` })).code, 0);
    const { send } = await build(t, settings);
    const logIn = (password: string) => send('POST', '/api/token', { json: { username: 'paul', password } });
    assert.equal((await logIn(` ${PASSWORD} `)).status, 200);
    assert.equal((await logIn(PASSWORD)).status, 400);
  });
});

suite('the users there are', () => {
  test('have to be there', async (t) => {
    const { call } = await setUp(t, ['paul']);
    const commands = ['changepassword', 'activate', 'deactivate', 'deleteuser', 'createtoken'];
    const outcomes = await Promise.all(commands.map((name) => call([name, 'Paul'])));
    for (const outcome of outcomes) assert.deepEqual(outcome, failed('There is no user Paul.'));
  });

  test('createtoken prints the same token until it is renewed', async (t) => {
    const { call, prisma } = await setUp(t, ['paul']);
    const [first, second] = await Promise.all([call(['createtoken', 'paul']), call(['createtoken', 'ｐaul'])]);
    const renewed = await call(['createtoken', '-r', 'paul']);
    for (const { code, stdout, stderr } of [first, second, renewed]) {
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^Generated token [0-9a-f]{40} for user paul\n$/);
    }
    assert.equal(second.stdout, first.stdout);
    assert.notEqual(renewed.stdout, first.stdout);
    const digests = [first, renewed].map(({ stdout }) => digestApiToken(stdout.split(' ')[2] as string));
    assert.equal(await prisma.apiToken.findUser(digests[0] as string), undefined);
    assert.ok(await prisma.apiToken.findUser(digests[1] as string));
  });

  test('createtoken makes the secret where there is none', ON_SQLITE, async (t) => {
    const { call, directory } = await setUp(t, ['paul']);
    const settings = { SECRET_KEY: '' };
    const tokens = await Promise.all([0, 1].map(() => call(['createtoken', 'paul'], { settings })));
    assert.equal(tokens[0]?.code, 0);
    assert.deepEqual(tokens[1], tokens[0]);
    assert.equal(statSync(join(directory, 'secret.key')).mode & 0o777, 0o600);
  });

  test('deactivate and activate', async (t) => {
    const { call, prisma } = await setUp(t, ['paul']);
    const isActive = async () => (await prisma.user.findFirst())?.isActive;
    assert.deepEqual(await call(['deactivate', 'paul']), done('User paul deactivated.\n'));
    assert.equal(await isActive(), false);
    assert.deepEqual(await call(['activate', 'paul']), done('User paul activated.\n'));
    assert.equal(await isActive(), true);
  });

  test('changepassword ends tokens and sessions, but not for a weak password', async (t) => {
    const { call, prisma } = await setUp(t, ['paul']);
    const { id, password } = await prisma.user.findFirstOrThrow();
    await prisma.session.create({ data: { id: 's', userId: id, refreshJti: 'j', expiresAt: new Date() } });
    const args = ['changepassword', 'paul', '--password-stdin'];
    const weak = await call(args, { input: 'paulpaul' });
    assert.deepEqual(weak, failed('The password is too similar to the username.'));
    assert.deepEqual([(await prisma.user.findFirst())?.password, await prisma.session.count()], [password, 1]);
    assert.deepEqual(await call(args, { input: PASSWORD }), done('Password of paul changed.\n'));
    assert.match(String((await prisma.user.findFirst())?.password), /^\$argon2id\$/);
    assert.equal(await prisma.session.count(), 0);
  });

  test('deleteuser deletes all but the last active superuser', async (t) => {
    const { call, prisma } = await setUp(t, ['paul', 'ringo']);
    await insertUser({ prisma }, 'root', { isSuperuser: true });
    assert.deepEqual(await call(['deleteuser', '--yes', 'paul']), done('User paul deleted.\n'));
    assert.deepEqual(await call(['deleteuser', 'ringo']), done('User ringo deleted.\n'));
    const refused = failed('root is the last active superuser, who cannot be deleted.');
    assert.deepEqual(await call(['deleteuser', '-y', 'root']), refused);
    assert.deepEqual(await prisma.user.findMany({ select: { username: true } }), [{ username: 'root' }]);
  });

  test('flushexpiredtokens deletes what has expired', async (t) => {
    const { call, prisma } = await setUp(t, ['paul']);
    const { id: userId } = await prisma.user.findFirstOrThrow();
    for (const [id, seconds] of Object.entries({ live: 60, expired: -400 })) {
      const expiresAt = new Date(Date.now() + seconds * 1000);
      await prisma.session.create({ data: { id, userId, refreshJti: id, expiresAt } });
    }
    assert.deepEqual(await call(['flushexpiredtokens']), done('Expired sessions deleted: 1\n'));
    assert.deepEqual(await prisma.session.findMany({ select: { id: true } }), [{ id: 'live' }]);
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

const HINT = 'There is no user yet. Make the first one: npx todo-api createsuperuser';

interface Service {
  origin: string;
  child: ChildProcess;
  /** All that it has printed. */
  output(): string;
  until(pattern: RegExp): Promise<RegExpExecArray>;
}

/** A service that listens on a free port; stopped after the test. */
async function serve(t: Pick<TestContext, 'after'>, { directory, settings }: Run): Promise<Service> {
  const child = start(['serve'], { directory, settings: { PORT: '0', SHUTDOWN_DELAY: '0', ...settings } });
  const output = follow([child.stdout, child.stderr]);
  t.after(() => child.kill('SIGKILL'));
  const [, origin] = await output.until(/"msg":"Documentation: (http:\S+)\/docs\/"/);
  return { origin: origin as string, child, output: output.text, until: output.until };
}

/** Stops a service; gives its exit code. */
async function stop({ child }: Service, signal: NodeJS.Signals): Promise<number> {
  child.kill(signal);
  const [code] = await once(child, 'close');
  return code;
}

function messages(output: string): string[] {
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).msg);
}

/** What is printed, as it comes. */
function follow(streams: (Readable | null)[]) {
  let text = '';
  let seen = 0;
  let open = streams.length;
  let wake = () => {};
  for (const stream of streams) {
    stream?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      wake();
    });
    stream?.on('close', () => {
      open--;
      wake();
    });
  }
  return {
    text: () => text,
    /** Waits until something is printed after what the last call waited for. */
    async until(pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        const match = pattern.exec(text.slice(seen));
        if (match) {
          seen += match.index + match[0].length;
          return match;
        }
        if (open === 0) assert.fail(`${pattern} was never printed:\n${text}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
