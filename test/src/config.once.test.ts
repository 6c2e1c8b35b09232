import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { type Config, ConfigError, loadConfig } from '../../src/config.ts';
import { SECRET_KEY, temporaryDirectory } from '../helper.ts';

type Settings = Record<string, string>;

function load(t: Pick<TestContext, 'after'>, env: Settings, file?: string): Config {
  const directory = temporaryDirectory(t);
  if (file !== undefined) writeFileSync(join(directory, '.env'), file);
  return loadConfig(env, directory);
}

/** The message with which settings are refused. */
function refusal(t: Pick<TestContext, 'after'>, env: Settings, file?: string): string {
  try {
    load(t, env, file);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return assert.fail(`taken: ${JSON.stringify(env)}`);
}

test('every setting has a default, and the secret none', (t) => {
  assert.deepEqual(
    { ...load(t, {}) },
    {
      HOST: '127.0.0.1',
      PORT: 8000,
      WEB_CONCURRENCY: 1,
      DATABASE_URL: 'file:./data/todo.db',
      DATABASE_POOL_SIZE: 10,
      DATABASE_TIMEOUT: 5000,
      DATABASE_NAMED_STATEMENTS: true,
      SECRET_KEY_FALLBACKS: [],
      JWT_KEY_FILES: [],
      JWT_ACCESS_TTL: 300,
      JWT_REFRESH_TTL: 86400,
      JWT_ROTATE_REFRESH_TOKENS: false,
      JWT_SESSION_TTL: 2_592_000,
      LOGIN_THROTTLE: 'on',
      LOGIN_FAILURES_PER_USER: 10,
      LOGIN_FAILURES_PER_ADDRESS: 100,
      REGISTRATION: 'closed',
      LOG_LEVEL: 'info',
      CORS_ORIGINS: [],
      TRUST_PROXY: [],
      SHUTDOWN_DELAY: 500,
    },
  );
});

suite('a setting that is taken', () => {
  const taken: [name: keyof Config, given: string, value: unknown][] = [
    ['HOST', '::', '::'],
    ['PORT', '0', 0],
    ['PORT', '65535', 65535],
    ['DATABASE_URL', 'file:/var/lib/todo/todo.db', 'file:/var/lib/todo/todo.db'],
    ['DATABASE_POOL_SIZE', '1', 1],
    ['DATABASE_TIMEOUT', '100', 100],
    ['DATABASE_NAMED_STATEMENTS', 'false', false],
    ['WEB_CONCURRENCY', '256', 256],
    ['SECRET_KEY', SECRET_KEY, SECRET_KEY],
    ['SECRET_KEY', 'é'.repeat(16), 'é'.repeat(16)],
    ['JWT_ACCESS_TTL', '60', 60],
    ['JWT_REFRESH_TTL', '300', 300],
    ['SECRET_KEY_FALLBACKS', ` ${'a'.repeat(32)} , ${'b'.repeat(32)},`, ['a'.repeat(32), 'b'.repeat(32)]],
    ['JWT_KEY_FILES', 'a key.pem, /etc/b.pem', ['a key.pem', '/etc/b.pem']],
    ['JWT_ISSUER', 'https://todo.example.com', 'https://todo.example.com'],
    ['JWT_ROTATE_REFRESH_TOKENS', 'true', true],
    ['LOGIN_THROTTLE', 'off', 'off'],
    ['LOGIN_FAILURES_PER_USER', '1', 1],
    ['REGISTRATION', 'open', 'open'],
    ['LOG_LEVEL', 'silent', 'silent'],
    ['METRICS_PORT', '0', 0],
    ['METRICS_PORT', '', undefined],
    ['TRUST_PROXY', '10.0.0.0/8, ::1', ['10.0.0.0/8', '::1']],
    ['CORS_ORIGINS', 'https://a.example', ['https://a.example']],
    ['CORS_ORIGINS', 'https://a.example,http://localhost:3000', ['https://a.example', 'http://localhost:3000']],
    ['TRUST_PROXY', '10.0.0.0/8,::1,192.0.2.7', ['10.0.0.0/8', '::1', '192.0.2.7']],
    ['SHUTDOWN_DELAY', '0', 0],
  ];
  for (const [name, given, value] of taken) {
    test(`${name}=${given}`, (t) => assert.deepEqual(load(t, { [name]: given })[name], value));
  }
});

for (const address of ['postgresql://paul:hunter2@host:5432/todo?sslmode=verify-full', 'postgres://host/todo']) {
  test(`${address.split(':')[0]}: is a database, and needs a secret`, (t) => {
    assert.equal(load(t, { DATABASE_URL: address, SECRET_KEY }).DATABASE_URL, address);
    const message = 'SECRET_KEY must be set where the database is PostgreSQL: all processes share it';
    assert.equal(refusal(t, { DATABASE_URL: address }), message);
  });
}

suite('a setting that is wrong is named, with the reason', () => {
  const wrong: [settings: Settings, message: RegExp][] = [
    [{ PORT: 'http' }, /^PORT must be integer$/],
    [{ PORT: '80.5' }, /^PORT must be integer$/],
    [{ PORT: '-1' }, /^PORT must be >= 0$/],
    [{ PORT: '65536' }, /^PORT must be <= 65535$/],
    [{ DATABASE_URL: './todo.db' }, /^DATABASE_URL has not the form it should\. .*`file:`/],
    [{ DATABASE_URL: 'file:' }, /^DATABASE_URL has not the form it should\./],
    [{ DATABASE_URL: 'file:./todo.db?mode=ro' }, /^DATABASE_URL has not the form it should\./],
    [{ DATABASE_URL: 'mysql://host/todo' }, /^DATABASE_URL has not the form it should\./],
    [{ DATABASE_URL: 'postgresql://' }, /^DATABASE_URL has not the form it should\./],
    [{ DATABASE_POOL_SIZE: '0' }, /^DATABASE_POOL_SIZE must be >= 1$/],
    [{ DATABASE_TIMEOUT: '99' }, /^DATABASE_TIMEOUT must be >= 100$/],
    [{ DATABASE_NAMED_STATEMENTS: 'maybe' }, /^DATABASE_NAMED_STATEMENTS must be boolean$/],
    [{ WEB_CONCURRENCY: '257' }, /^WEB_CONCURRENCY must be <= 256$/],
    [{ SECRET_KEY: 'x'.repeat(31) }, /^SECRET_KEY must have 32 bytes or more$/],
    [{ JWT_ACCESS_TTL: '0' }, /^JWT_ACCESS_TTL must be >= 1$/],
    [{ JWT_ACCESS_TTL: '5m' }, /^JWT_ACCESS_TTL must be integer$/],
    [{ JWT_REFRESH_TTL: '3000000000' }, /^JWT_REFRESH_TTL must be <= 2147483648$/],
    [{ JWT_ACCESS_TTL: '301', JWT_REFRESH_TTL: '300' }, /^JWT_ACCESS_TTL must not be longer than JWT_REFRESH_TTL$/],
    [{ LOG_LEVEL: 'INFO' }, /^LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent$/],
    [{ CORS_ORIGINS: '*' }, /^CORS_ORIGINS has not the form it should\. Origins/],
    [{ CORS_ORIGINS: 'https://a.example/' }, /^CORS_ORIGINS has not the form it should\./],
    [{ CORS_ORIGINS: 'https://a.example https://b.example' }, /^CORS_ORIGINS has not the form it should\./],
    [{ SECRET_KEY_FALLBACKS: `${'x'.repeat(32)},short` }, /^SECRET_KEY_FALLBACKS must each have 32 bytes or more$/],
    [{ JWT_ROTATE_REFRESH_TOKENS: 'yes' }, /^JWT_ROTATE_REFRESH_TOKENS must be boolean$/],
    [
      { JWT_ROTATE_REFRESH_TOKENS: 'true', JWT_SESSION_TTL: '3600' },
      /^JWT_REFRESH_TTL must not be longer than JWT_SESSION_TTL$/,
    ],
    [{ LOGIN_THROTTLE: 'true' }, /^LOGIN_THROTTLE must be one of on, off$/],
    [{ LOGIN_FAILURES_PER_USER: '0' }, /^LOGIN_FAILURES_PER_USER must be >= 1$/],
    [{ LOGIN_FAILURES_PER_ADDRESS: '1.5' }, /^LOGIN_FAILURES_PER_ADDRESS must be integer$/],
    [{ REGISTRATION: 'yes' }, /^REGISTRATION must be one of closed, open$/],
    [{ METRICS_PORT: '65536' }, /^METRICS_PORT must be <= 65535$/],
    [{ PORT: '9100', METRICS_PORT: '9100' }, /^METRICS_PORT must be another than PORT$/],
    [{ CORS_ORIGINS: 'https://A.example' }, /^CORS_ORIGINS holds what is no origin/],
    [{ CORS_ORIGINS: 'https://a.example:443' }, /^CORS_ORIGINS holds what is no origin/],
    [{ CORS_ORIGINS: 'https://a.example:http' }, /^CORS_ORIGINS holds what is no origin/],
    [{ TRUST_PROXY: 'true' }, /^TRUST_PROXY has not the form it should\./],
    [{ TRUST_PROXY: '1' }, /^TRUST_PROXY holds what is no address or CIDR block$/],
    [{ TRUST_PROXY: '10.0.0.0/33' }, /^TRUST_PROXY holds what is no address or CIDR block$/],
    [{ TRUST_PROXY: '::1/129' }, /^TRUST_PROXY holds what is no address or CIDR block$/],
    [{ SHUTDOWN_DELAY: '-1' }, /^SHUTDOWN_DELAY must be >= 0$/],
  ];
  for (const [settings, message] of wrong) {
    test(JSON.stringify(settings), (t) => assert.match(refusal(t, settings), message));
  }
});

test('all wrong settings are named at once', (t) => {
  const message = refusal(t, { PORT: 'http', LOG_LEVEL: 'loud', CORS_ORIGINS: '*' }, 'PROT=8000\n');
  assert.deepEqual(
    message.split('\n').map((line) => line.split(' ')[0]),
    ['PROT', 'PORT', 'LOG_LEVEL', 'CORS_ORIGINS'],
  );
});

test('a secret is never in a message', (t) => {
  const secrets: [Settings, string?][] = [
    [{ SECRET_KEY: 'hunter2' }],
    [{}, 'SECRET_KEY=hunter2\n'],
    [{ SECRET_KEY: 'hunter2', PORT: 'http' }],
    [{}, 'SECRETKEY=hunter2\n'],
    [{ DATABASE_URL: 'postgresql://paul:hunter2@host/todo' }],
    [{ DATABASE_URL: 'mysql://paul:hunter2@host/todo' }],
    [{ CORS_ORIGINS: 'https://paul:hunter2@a.example' }],
    [{ TRUST_PROXY: 'hunter2' }],
  ];
  for (const [env, file] of secrets) assert.doesNotMatch(refusal(t, env, file), /hunter2/);
});

suite('.env', () => {
  test('gives what the environment does not', (t) => {
    const { PORT, HOST } = load(t, { PORT: '9000' }, 'PORT=9001\nHOST="::1" # loopback\n');
    assert.deepEqual({ PORT, HOST }, { PORT: 9000, HOST: '::1' });
  });

  test('may hold only settings of this service, by name', (t) => {
    assert.equal(refusal(t, {}, 'PROT=8000\n'), 'PROT in .env is not a setting of this service');
    load(t, { PROT: '8000' }, '# nothing\n');
  });

  test('may not hold the password of the first superuser, which is read from the environment alone', (t) => {
    const message = 'TODO_SUPERUSER_PASSWORD in .env is not a setting of this service';
    assert.equal(refusal(t, {}, 'TODO_SUPERUSER_PASSWORD=hunter2\n'), message);
  });

  test('that cannot be read stops the start', (t) => {
    const directory = temporaryDirectory(t);
    mkdirSync(join(directory, '.env'));
    assert.throws(() => loadConfig({}, directory), { code: 'EISDIR' });
  });
});

suite('a blank setting counts as not set', () => {
  const blanks: [string, Settings, string, keyof Config, unknown][] = [
    ['in the environment', { PORT: '' }, '', 'PORT', 8000],
    ['in .env', {}, 'PORT=\n', 'PORT', 8000],
    ['of spaces', { PORT: '  ' }, '', 'PORT', 8000],
    ['that is the secret', { SECRET_KEY: '' }, '', 'SECRET_KEY', undefined],
    ['that is a list', { CORS_ORIGINS: '' }, '', 'CORS_ORIGINS', []],
    ['in the environment, over one in .env', { PORT: '' }, 'PORT=9001\n', 'PORT', 9001],
  ];
  for (const [name, env, file, setting, value] of blanks) {
    test(name, (t) => assert.deepEqual(load(t, env, file)[setting], value));
  }
});

test('what is no setting is not in the configuration', (t) => {
  assert.ok(!('PATH' in load(t, { PATH: '/bin', HOME: '/root' })));
});
