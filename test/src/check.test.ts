import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { before, mock, suite, type TestContext, test } from 'node:test';
import { SERVER_CHECKS } from '../../src/checks/database.ts';
import type { Finding } from '../../src/checks/finding.ts';
import { databasePath, openDatabase } from '../../src/database/index.ts';
import type { View } from '../../src/database/read-only.ts';
import { administrate, configure, isOnPostgresql, makeDatabase, SECRET_KEY, temporaryDirectory } from '../helper.ts';
import { freePort } from '../ports.ts';
import { call, connect, insertUser, makeEmptyDatabase, type Outcome } from './helper.ts';

const ON_SQLITE = { skip: isOnPostgresql && 'this run is on PostgreSQL' };
const ON_POSTGRESQL = { skip: !isOnPostgresql && 'this run is on SQLite' };
const ON_POSIX = { skip: process.platform === 'win32' && 'there are no POSIX modes here' };

const DATABASE_PASSWORD = 'lantern-of-the-database';
// Made at random once: how long its check takes depends on the key, and this is one of the quick ones.
const STRONG = 'IDgZYSG-RZVmCJ7ZEmv-GewCDbNdRbjx7HyQJByLY3IJyUO9tK4pTUFsA7kf3Eih';

type Expected = [level: Finding['level'], setting: string, message: RegExp];
type Settings = Record<string, string>;

/** Settings that nothing is wrong with, on a new database with a superuser. */
async function makeClean(t: Pick<TestContext, 'after'>): Promise<Settings> {
  const settings = await makeDatabase(t);
  const { prisma, close } = await openDatabase(configure(settings));
  await insertUser({ prisma }, 'root', { isSuperuser: true });
  await close();
  const { DATABASE_URL = '' } = settings;
  if (isOnPostgresql) settings.DATABASE_URL = await asOrdinaryRole(t, DATABASE_URL);
  return { ...settings, SECRET_KEY: STRONG };
}

/** The address of a database for a role that may only read it. */
async function asOrdinaryRole(t: Pick<TestContext, 'after'>, url: string): Promise<string> {
  const role = `role_${randomUUID().replaceAll('-', '')}`;
  await administrate(url, `CREATE ROLE ${role} LOGIN PASSWORD '${DATABASE_PASSWORD}'`);
  await administrate(url, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  t.after(() => administrate(process.env.TEST_DATABASE_URL as string, `DROP ROLE ${role}`));
  return Object.assign(new URL(url), { username: role, password: DATABASE_PASSWORD }).href;
}

/** Runs the check, and holds what it prints against what it should. */
async function expect(directory: string, settings: Settings, expected: Expected[]): Promise<Outcome> {
  const outcome = await call(['check'], { directory, settings });
  const { code, stdout } = outcome;
  if (expected.length === 0) {
    assert.deepEqual([code, stdout], [0, 'No problems found.\n']);
    return outcome;
  }
  const lines = stdout.trimEnd().split('\n');
  const found = lines.map(
    (line) => /^(error|warning) +([^:]+): (\S.*\.) Remedy: \S.*$/.exec(line) ?? assert.fail(line),
  );
  assert.deepEqual(
    found.map(([, level, setting]) => [level, setting]),
    expected.map(([level, setting]) => [level, setting]),
    stdout,
  );
  for (const [index, [, , , message]] of found.entries()) assert.match(String(message), expected[index]?.[2] as RegExp);
  assert.equal(code, expected.some(([level]) => level === 'error') ? 1 : 0);
  return outcome;
}

const system = process as { getuid(): number };
let clean: Settings;
before(async (t) => {
  // Builds in containers often run as root, which is a finding.
  mock.method(system, 'getuid', () => 1000);
  clean = await makeClean(t as TestContext);
});

const DAY = 86400;
const elsewhere = (query = '') => `postgresql://todo:${DATABASE_PASSWORD}@db.example.invalid/todo${query}`;
const UNREACHED: Expected = ['error', 'DATABASE_URL', /cannot be used: .*db\.example\.invalid/];

const unsafe: [name: string, settings: Settings, ...expected: Expected[]][] = [
  ['the key of these tests', { SECRET_KEY }, ['error', 'SECRET_KEY', /examples/]],
  ['a key of few characters', { SECRET_KEY: 'ab'.repeat(32) }, ['error', 'SECRET_KEY', /few distinct/]],
  [
    'former keys, all but the first weak',
    {
      SECRET_KEY_FALLBACKS: [
        STRONG,
        'a'.repeat(64),
        'wq7x-Kp2'.repeat(5),
        'abcdefghijklmnopqrstuvwxyz0123456789',
        'qwertyuiopasdfghjklzxcvbnm123456',
        'Change-Me-Into-Something-Very-Long',
        `django-insecure-${STRONG}`,
        'my-super-secret-jwt-signing-key-of-2024',
      ].join(),
    },
    ['error', 'SECRET_KEY_FALLBACKS', /^Number 2 .*few distinct/],
    ['error', 'SECRET_KEY_FALLBACKS', /^Number 3 .*patterns/],
    ['error', 'SECRET_KEY_FALLBACKS', /^Number 4 .*patterns/],
    ['error', 'SECRET_KEY_FALLBACKS', /^Number 5 .*patterns/],
    ['error', 'SECRET_KEY_FALLBACKS', /^Number 6 .*examples/],
    ['error', 'SECRET_KEY_FALLBACKS', /^Number 7 .*examples/],
    ['error', 'SECRET_KEY_FALLBACKS', /^Number 8 .*examples/],
    ['warning', 'SECRET_KEY_FALLBACKS', /former key/],
  ],
  [
    'former keys, of other forms',
    {
      SECRET_KEY_FALLBACKS:
        'b04c1f8e7a2d95603be1f47c90d2a86e,83015926470938152607491836502947,q3N+8w/0ZkYcT1vB7uXoE5rHjL2mPgSd',
    },
    ['warning', 'SECRET_KEY_FALLBACKS', /former key/],
  ],
  [
    'far too many proxies',
    { TRUST_PROXY: '0.0.0.0/0,10.0.0.1,::/0,::ffff:0.0.0.0/96,128.0.0.0/1,192.168.0.0/8,2000::/3' },
    ['error', 'TRUST_PROXY', /^0\.0\.0\.0\/0/],
    ['error', 'TRUST_PROXY', /^::\/0/],
    ['error', 'TRUST_PROXY', /^::ffff:/],
    ['error', 'TRUST_PROXY', /^128\./],
    ['error', 'TRUST_PROXY', /^192\.168\./],
    ['error', 'TRUST_PROXY', /^2000::/],
  ],
  ['listening to all', { HOST: '0.0.0.0' }, ['warning', 'HOST', /0\.0\.0\.0.*TLS/]],
  ['listening to all, of IPv6', { HOST: '::' }, ['warning', 'HOST', /TLS/]],
  ['listening by a name', { HOST: 'todo.example.com' }, ['warning', 'HOST', /TLS/]],
  [
    'pages without TLS',
    { CORS_ORIGINS: 'https://a.example.com,http://b.example.com' },
    ['warning', 'CORS_ORIGINS', /http:\/\/b\.example\.com/],
  ],
  ['no throttle', { LOGIN_THROTTLE: 'off' }, ['warning', 'LOGIN_THROTTLE', /without limit/]],
  ['open registration', { REGISTRATION: 'open' }, ['warning', 'REGISTRATION', /Anyone/]],
  ['long access', { JWT_ACCESS_TTL: '3601' }, ['warning', 'JWT_ACCESS_TTL', /3601 s/]],
  ['long refresh', { JWT_REFRESH_TTL: `${31 * DAY}` }, ['warning', 'JWT_REFRESH_TTL', /2678400 s/]],
  ['no log', { LOG_LEVEL: 'silent' }, ['warning', 'LOG_LEVEL', /Security events/]],
  [
    'errors first',
    { HOST: '::', TRUST_PROXY: '', LOG_LEVEL: 'error', SECRET_KEY },
    ['error', 'SECRET_KEY', /guessed/],
    ['warning', 'HOST', /TLS/],
    ['warning', 'LOG_LEVEL', /Security events/],
  ],
  [
    'PostgreSQL elsewhere in the clear',
    { DATABASE_URL: elsewhere() },
    ['error', 'DATABASE_URL', /in the clear/],
    UNREACHED,
  ],
  [
    'PostgreSQL elsewhere with TLS off',
    { DATABASE_URL: elsewhere('?sslmode=disable') },
    ['error', 'DATABASE_URL', /in the clear/],
    UNREACHED,
  ],
  [
    'PostgreSQL elsewhere, unverified',
    { DATABASE_URL: elsewhere('?sslmode=no-verify') },
    ['error', 'DATABASE_URL', /pass for it/],
    UNREACHED,
  ],
  [
    'PostgreSQL elsewhere, unverified as by libpq',
    { DATABASE_URL: elsewhere('?uselibpqcompat=true&sslmode=require') },
    ['error', 'DATABASE_URL', /pass for it/],
    UNREACHED,
  ],
  [
    'PostgreSQL elsewhere, verified by chance',
    { DATABASE_URL: elsewhere('?sslmode=require') },
    UNREACHED,
    ['warning', 'DATABASE_URL', /version of the driver/],
  ],
  ['PostgreSQL elsewhere, verified', { DATABASE_URL: elsewhere('?sslmode=verify-full') }, UNREACHED],
  [
    'a certificate that is not there',
    { DATABASE_URL: elsewhere('?sslmode=verify-full&sslrootcert=/no/such.pem') },
    ['error', 'DATABASE_URL', /ENOENT.*\/no\/such\.pem/],
  ],
  ['a setting that is wrong', { PORT: 'http' }, ['error', 'PORT', /^must be integer\.$/]],
  [
    'settings that are wrong',
    { SECRET_KEY: 'hunter2', JWT_ACCESS_TTL: '2000', JWT_REFRESH_TTL: '1000', HOST: '0.0.0.0' },
    ['error', 'SECRET_KEY', /32 bytes/],
    ['error', 'JWT_ACCESS_TTL', /longer than JWT_REFRESH_TTL/],
  ],
];

const safe: [name: string, settings: Settings][] = [
  ['the defaults', {}],
  ['a key made at random', { SECRET_KEY: randomBytes(48).toString('base64url') }],
  [
    'all at their limits',
    {
      HOST: '0.0.0.0',
      TRUST_PROXY: '10.0.0.0/8,fc00::/7,127.0.0.1,104.16.0.0/13,2400:cb00::/32,::ffff:10.0.0.0/104',
      CORS_ORIGINS: 'https://a.example.com,http://localhost:3000,http://127.0.0.1:3000,http://[::1]:3000',
      JWT_ACCESS_TTL: '3600',
      JWT_REFRESH_TTL: `${30 * DAY}`,
      LOG_LEVEL: 'debug',
    },
  ],
  ['this machine by its name', { HOST: 'localhost' }],
  [
    'rotation, and this machine by IPv6',
    {
      HOST: '::1',
      JWT_REFRESH_TTL: `${31 * DAY}`,
      JWT_SESSION_TTL: `${31 * DAY}`,
      JWT_ROTATE_REFRESH_TOKENS: 'true',
    },
  ],
];

suite('settings', () => {
  for (const [name, settings, ...expected] of unsafe) {
    test(`that are unsafe: ${name}`, async (t) => {
      const { stdout, stderr } = await expect(temporaryDirectory(t), { ...clean, ...settings }, expected);
      for (const secret of secretsIn(settings)) assert.ok(!`${stdout}${stderr}`.includes(secret), secret);
    });
  }
  for (const [name, settings] of safe) {
    test(`that are safe: ${name}`, async (t) => {
      await expect(temporaryDirectory(t), { ...clean, ...settings }, []);
    });
  }
});

test('root', async (t) => {
  t.mock.method(system, 'getuid', () => 0);
  await expect(temporaryDirectory(t), clean, [['warning', 'root', /runs as root/]]);
});

function secretsIn({ SECRET_KEY, SECRET_KEY_FALLBACKS = '' }: Settings): string[] {
  return [
    DATABASE_PASSWORD,
    STRONG,
    ...[SECRET_KEY, ...SECRET_KEY_FALLBACKS.split(',')].filter((key) => key),
  ] as string[];
}

suite('files that other users may reach', ON_POSIX, () => {
  test('.env', async (t) => {
    const directory = temporaryDirectory(t);
    const path = join(directory, '.env');
    for (const [mode, ...expected] of [
      [0o600],
      [0o640, ['error', '.env', /read/]],
      [0o604, ['error', '.env', /read/]],
      [0o620, ['error', '.env', /change/]],
    ] as [number, ...Expected[]][]) {
      write(path, `JWT_ISSUER=${STRONG}\n`, mode);
      const { stdout } = await expect(directory, clean, expected);
      assert.ok(!stdout.includes(STRONG));
    }
  });

  test('the secret beside the database', ON_SQLITE, async (t) => {
    const settings: Settings = { ...(await makeClean(t)), SECRET_KEY: '' };
    const directory = dirname(databasePath(settings.DATABASE_URL as string));
    assert.equal((await call(['createtoken', 'root'], { directory, settings })).code, 0);
    await expect(directory, settings, []);
    const path = join(directory, 'secret.key');
    write(path, STRONG, 0o640);
    const { stdout } = await expect(directory, settings, [
      ['error', 'SECRET_KEY', /Other users .* read .*secret\.key/],
    ]);
    assert.ok(!stdout.includes(STRONG));
    // It is not in use where another is set.
    await expect(directory, { ...settings, SECRET_KEY: STRONG }, []);

    write(path, 'a'.repeat(64), 0o600);
    await expect(directory, settings, [['error', 'SECRET_KEY', /few distinct/]]);
    write(path, 'hunter2', 0o600);
    await expect(directory, settings, [['error', 'SECRET_KEY', /less than 32 bytes/]]);
  });

  test('a secret that cannot be read', ON_SQLITE, async (t) => {
    const settings: Settings = { ...(await makeClean(t)), SECRET_KEY: '' };
    const directory = dirname(databasePath(settings.DATABASE_URL as string));
    mkdirSync(join(directory, 'secret.key'), { mode: 0o700 });
    await expect(directory, settings, [['error', 'SECRET_KEY', /cannot be read/]]);
  });

  test('keys of JWTs', async (t) => {
    const directory = temporaryDirectory(t);
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const former = generateKeyPairSync('ed25519');
    const pem = toPem(privateKey);
    write(join(directory, 'key.pem'), pem, 0o600);
    write(join(directory, 'former.pem'), toPem(former.publicKey), 0o644);
    const settings = { ...clean, JWT_KEY_FILES: 'key.pem,former.pem' };
    await expect(directory, settings, []);

    chmodSync(join(directory, 'key.pem'), 0o644);
    const { stdout } = await expect(directory, settings, [['error', 'JWT_KEY_FILES', /read key\.pem/]]);
    assert.ok(!stdout.includes(pem.split('\n')[1] as string));
    chmodSync(join(directory, 'key.pem'), 0o600);
    chmodSync(join(directory, 'former.pem'), 0o666);
    await expect(directory, settings, [['error', 'JWT_KEY_FILES', /change former\.pem/]]);

    write(join(directory, 'public.pem'), toPem(publicKey), 0o600);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
    write(join(directory, 'weak.pem'), toPem(rsa.privateKey), 0o600);
    const wrong = { 'no.pem': /no\.pem cannot be read/, 'public.pem': /no private key/, 'weak.pem': /1024 bits/ };
    for (const [path, message] of Object.entries(wrong)) {
      await expect(directory, { ...clean, JWT_KEY_FILES: path }, [['error', 'JWT_KEY_FILES', message]]);
    }
    const inPlace = await expect(directory, { ...clean, JWT_KEY_FILES: pem }, [['error', 'JWT_KEY_FILES', /paths/]]);
    assert.ok(!inPlace.stdout.includes(pem.split('\n')[1] as string));
  });

  const isOpen = (directory: string): boolean =>
    (statSync(directory).mode & 1) !== 0 && (dirname(directory) === directory || isOpen(dirname(directory)));
  const readable: Expected = ['warning', 'DATABASE_URL', /can read .*todo\.db/];
  const writable: Expected = ['error', 'DATABASE_URL', /can change .*todo\.db/];
  const placeable: Expected = ['error', 'DATABASE_URL', /can put files into/];
  const modes: [directory: number, file: number, ...expected: Expected[]][] = [
    [0o750, 0o666],
    [0o755, 0o640],
    [0o711, 0o644, readable],
    [0o755, 0o602, writable],
    [0o757, 0o644, placeable, readable],
  ];
  for (const [ofDirectory, ofFile, ...expected] of modes) {
    const name = `a database of mode ${ofFile.toString(8)} in a directory of ${ofDirectory.toString(8)}`;
    const skip = ON_SQLITE.skip || (!isOpen(tmpdir()) && 'nobody else reaches the temporary directory');
    test(name, { skip }, async (t) => {
      const settings = await makeClean(t);
      const path = databasePath(settings.DATABASE_URL as string);
      chmodSync(path, ofFile);
      chmodSync(dirname(path), ofDirectory);
      await expect(temporaryDirectory(t), settings, expected);
    });
  }
});

suite('the database', () => {
  /** A database and its administrator's connection; the check runs as another. */
  async function setUp(t: TestContext) {
    const settings = await makeClean(t);
    const administrator = new URL(settings.DATABASE_URL as string);
    if (isOnPostgresql) {
      const { username, password } = new URL(process.env.TEST_DATABASE_URL as string);
      Object.assign(administrator, { username, password });
    }
    const raw = connect(t, isOnPostgresql ? { DATABASE_URL: administrator.href } : settings);
    const found = (...expected: Expected[]) => expect(temporaryDirectory(t), settings, expected);
    return { settings, administrator, raw, found };
  }

  test('without an active superuser', async (t) => {
    const { raw, found } = await setUp(t);
    await raw.execute('UPDATE users SET is_active = false');
    await found(['warning', 'users', /no active superuser/]);
    await raw.execute('UPDATE users SET is_active = true, is_superuser = false');
    await found(['warning', 'users', /no active superuser/]);
    await raw.execute('DELETE FROM users');
    await found(['warning', 'users', /no active superuser/]);
  });

  test('with tokens that nobody uses', async (t) => {
    const { settings, administrator, found } = await setUp(t);
    const url = isOnPostgresql ? administrator.href : (settings.DATABASE_URL as string);
    const { prisma, close } = await openDatabase(configure({ DATABASE_URL: url }));
    const { id: userId } = await prisma.user.findFirstOrThrow();
    const daysAgo = (days: number) => new Date(Date.now() - days * DAY * 1000);
    const tokens = [
      { createdAt: daysAgo(366) },
      { createdAt: daysAgo(800), lastUsedAt: daysAgo(366) },
      { createdAt: daysAgo(364) },
      { createdAt: daysAgo(800), lastUsedAt: daysAgo(364) },
      { createdAt: daysAgo(800), expiresAt: daysAgo(-1) },
    ];
    const data = tokens.map((token, index) => ({
      userId,
      name: `${index}`,
      digest: randomBytes(32).toString('hex'),
      ...token,
    }));
    await prisma.apiToken.createMany({ data });
    await close();
    await found(['warning', 'API tokens', /for a year: 2\./]);
  });

  test('that lacks migrations', async (t) => {
    const { raw, found } = await setUp(t);
    const [{ name }] = await raw.select('SELECT max(migration_name) AS name FROM _prisma_migrations');
    await raw.execute(`DELETE FROM _prisma_migrations WHERE migration_name = '${name}'`);
    await found(['error', 'DATABASE_URL', new RegExp(`lacks migration ${name}`)]);
  });

  test('of a newer version', async (t) => {
    const { raw, found } = await setUp(t);
    await raw.execute("INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', '9_x')");
    await found(['error', 'DATABASE_URL', /has migration 9_x, which this version/]);
  });

  test('that is not there yet', ON_SQLITE, async (t) => {
    const directory = temporaryDirectory(t);
    for (const url of ['file:todo.db', 'file:data/todo.db']) {
      const settings = { ...clean, DATABASE_URL: url, SECRET_KEY: '' };
      await expect(directory, settings, [['warning', 'DATABASE_URL', /does not exist yet/]]);
    }
    assert.deepEqual(readdirSync(directory), []);
  });

  test('that is none', ON_SQLITE, async (t) => {
    const directory = temporaryDirectory(t);
    mkdirSync(join(directory, 'directory.db'));
    writeFileSync(join(directory, 'text.db'), 'Dear diary, '.repeat(1000));
    const expected = {
      'directory.db': /cannot be used: unable to open/,
      'text.db': /cannot be used: .*not a database/,
    };
    for (const [name, message] of Object.entries(expected)) {
      await expect(directory, { ...clean, DATABASE_URL: `file:${name}` }, [['error', 'DATABASE_URL', message]]);
    }
  });

  test('that is empty', async (t) => {
    const settings: Settings = { ...clean, ...(await makeEmptyDatabase(t)) };
    if (!isOnPostgresql) write(databasePath(settings.DATABASE_URL as string), '', 0o600);
    const superuser: Expected = ['warning', 'DATABASE_URL', /superuser of PostgreSQL/];
    const lacking: Expected = ['error', 'DATABASE_URL', /lacks migration/];
    await expect(temporaryDirectory(t), settings, isOnPostgresql ? [lacking, superuser] : [lacking]);
    const raw = connect(t, settings);
    const tables = isOnPostgresql ? "pg_tables WHERE schemaname = 'public'" : 'sqlite_master';
    assert.deepEqual(await raw.select(`SELECT * FROM ${tables}`), []);
  });

  test('that is not reached', async (t) => {
    const DATABASE_URL = `postgresql://todo:${DATABASE_PASSWORD}@localhost:${await freePort()}/todo`;
    const expected: Expected = ['error', 'DATABASE_URL', /cannot be used: .*ECONNREFUSED/];
    const { stdout } = await expect(temporaryDirectory(t), { ...clean, DATABASE_URL }, [expected]);
    assert.ok(!stdout.includes(DATABASE_PASSWORD));
  });

  test('that refuses the password', ON_POSTGRESQL, async (t) => {
    const { settings } = await setUp(t);
    const url = new URL(settings.DATABASE_URL as string);
    url.password = 'hunter2';
    const expected: Expected = ['error', 'DATABASE_URL', /cannot be used: password authentication failed/];
    const { stdout } = await expect(temporaryDirectory(t), { ...settings, DATABASE_URL: url.href }, [expected]);
    assert.ok(!stdout.includes('hunter2'));
  });

  test('that the service owns with all others of its server', ON_POSTGRESQL, async (t) => {
    const { settings, administrator } = await setUp(t);
    const expected: Expected = ['warning', 'DATABASE_URL', /superuser of PostgreSQL/];
    await expect(temporaryDirectory(t), { ...settings, DATABASE_URL: administrator.href }, [expected]);
  });
});

test('a pooler that asks PostgreSQL in the clear is found', async () => {
  const config = configure({ DATABASE_URL: elsewhere('?sslmode=verify-full') });
  const find = async (ssl: boolean) => {
    const view = { select: async () => [{ ssl }] } as unknown as View;
    const findings: Finding[] = [];
    for (const check of SERVER_CHECKS) for await (const finding of check(view, config)) findings.push(finding);
    return findings.map(({ level, message }) => [level, /something between/.test(message)]);
  };
  assert.deepEqual(await find(false), [['warning', true]]);
  assert.deepEqual(await find(true), []);
});

suite('nothing is made or changed', () => {
  const look = (directory: string) =>
    readdirSync(directory).map((name) => {
      const { mtimeMs, mode } = statSync(join(directory, name));
      return [name, mtimeMs, mode, readFileSync(join(directory, name), 'base64')];
    });

  test('in a directory that is empty', async (t) => {
    const directory = temporaryDirectory(t);
    await call(['check'], { directory, settings: { SECRET_KEY: '', DATABASE_URL: '' } });
    assert.deepEqual(readdirSync(directory), []);
  });

  test('beside a database at rest', ON_SQLITE, async (t) => {
    const settings = await makeClean(t);
    const directory = dirname(databasePath(settings.DATABASE_URL as string));
    const files = look(directory);
    await expect(directory, { ...settings, SECRET_KEY: '' }, []);
    assert.deepEqual(look(directory), files);
    assert.equal(files.length, 1);
  });

  test('in a database that is in use', async (t) => {
    const settings = await makeClean(t);
    const directory = isOnPostgresql ? temporaryDirectory(t) : dirname(databasePath(settings.DATABASE_URL as string));
    const raw = connect(t, settings);
    // A commit that is still in the log of writes.
    if (!isOnPostgresql) await raw.execute('UPDATE users SET is_superuser = false');
    const files = () => look(directory).filter(([name]) => !String(name).endsWith('-shm'));
    const before = files();
    await expect(directory, settings, isOnPostgresql ? [] : [['warning', 'users', /no active superuser/]]);
    assert.deepEqual(files(), before);
  });
});

function write(path: string, text: string, mode: number): void {
  writeFileSync(path, text);
  chmodSync(path, mode);
}

function toPem(key: KeyObject): string {
  return key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string;
}
