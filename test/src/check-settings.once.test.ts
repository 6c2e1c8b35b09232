import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { before, mock, suite, type TestContext, test } from 'node:test';
import { databasePath } from '../../src/database/index.ts';
import { isOnPostgresql, SECRET_KEY, temporaryDirectory } from '../helper.ts';
import { call } from './helper.ts';

import {
  DATABASE_PASSWORD,
  DAY,
  type Expected,
  elsewhere,
  expect,
  makeClean,
  type Settings,
  STRONG,
  write,
} from './helper-check.ts';

const ON_SQLITE = { skip: isOnPostgresql && 'this run is on PostgreSQL' };
const ON_POSIX = { skip: process.platform === 'win32' && 'there are no POSIX modes here' };

const system = process as { getuid(): number };
let clean: Settings;
before(async (t) => {
  // Builds in containers often run as root, which is a finding.
  mock.method(system, 'getuid', () => 1000);
  clean = await makeClean(t as TestContext);
});

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

function toPem(key: KeyObject): string {
  return key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string;
}
