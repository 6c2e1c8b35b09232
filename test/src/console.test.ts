import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, suite, type TestContext, test } from 'node:test';
import { digestApiToken } from '../../src/api-token-keys.ts';
import { databasePath } from '../../src/database/index.ts';
import { build, isOnPostgresql, makeDatabase, PASSWORD, temporaryDirectory } from '../helper.ts';
import { freePort } from '../ports.ts';
import { call, insertUser, makeEmptyDatabase, type Run } from './helper.ts';

import { done, failed, setUp } from './helper-console.ts';

const withRingo = await setUp({ after: after as TestContext['after'] }, ['ringo']);

const ON_SQLITE = { skip: isOnPostgresql && 'this run is on PostgreSQL' };
const ON_POSTGRESQL = { skip: !isOnPostgresql && 'this run is on SQLite' };

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
