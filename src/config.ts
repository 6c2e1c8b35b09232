import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { Ajv, type ErrorObject } from './vendor/ajv.ts';
import { type Static, Type } from './vendor/typebox.ts';

const list = (options: { description: string; pattern?: string }) =>
  Type.Unsafe<string[]>({ type: 'string', default: '', separator: ',', ...options });

/** Every setting of the service. `loadConfig` reads it, the README's table is tested against it. */
export const Config = Type.Object({
  HOST: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on.' }),
  PORT: Type.Integer({
    default: 8000,
    minimum: 0,
    maximum: 65535,
    description: 'Port to listen on; 0 takes any free one.',
  }),
  WEB_CONCURRENCY: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 256,
    description: 'Processes that share the port; also `serve --workers`.',
  }),
  DATABASE_URL: Type.String({
    default: 'file:./data/todo.db',
    pattern: '^(file:[^?]+|postgres(ql)?://.+)$',
    description:
      'The SQLite file, as `file:` and a path from the working directory; or a PostgreSQL database, as `postgresql://user:password@host:5432/name`, with `?sslmode=verify-full` and its like for TLS.',
  }),
  DATABASE_POOL_SIZE: Type.Integer({
    default: 10,
    minimum: 1,
    maximum: 1000,
    description: 'PostgreSQL connections of a process at most.',
  }),
  DATABASE_TIMEOUT: Type.Integer({
    default: 5000,
    minimum: 100,
    maximum: 600_000,
    description:
      'Milliseconds that PostgreSQL has to give a connection, or to answer a statement; then the answer is 503.',
  }),
  DATABASE_NAMED_STATEMENTS: Type.Boolean({
    default: true,
    description: 'Whether statements are prepared by name; `false` behind a pgbouncer before 1.21 in transaction mode.',
  }),
  SECRET_KEY: Type.Optional(
    Type.String({
      description:
        'Signs the JWTs (HS256) and derives the API tokens; 32 bytes or more. Where it is not set, a random one is made at first start and kept beside the SQLite file in a file that only its owner can read; with PostgreSQL it must be set.',
    }),
  ),
  SECRET_KEY_FALLBACKS: list({
    description:
      'Former values of `SECRET_KEY`, separated by commas (and holding none): what they signed and derived stays good while they stand here, and nobody is logged out by a change.',
  }),
  JWT_KEY_FILES: list({
    description:
      'PEM files of private keys, separated by commas, for JWTs by RS256, ES256 or EdDSA instead of HS256: the first signs, and what the others signed stays good. Their public keys are at `/.well-known/jwks.json`.',
  }),
  JWT_ISSUER: Type.Optional(
    Type.String({ description: 'The `iss` of the JWTs; where it is set, one of another issuer is refused.' }),
  ),
  JWT_AUDIENCE: Type.Optional(
    Type.String({ description: 'The `aud` of the JWTs; where it is set, one for another audience is refused.' }),
  ),
  JWT_ACCESS_TTL: Type.Integer({
    default: 300,
    minimum: 1,
    maximum: 2 ** 31,
    description: 'Life of an access token, in seconds.',
  }),
  JWT_REFRESH_TTL: Type.Integer({
    default: 86400,
    minimum: 1,
    maximum: 2 ** 31,
    description: 'Life of a refresh token, in seconds.',
  }),
  JWT_ROTATE_REFRESH_TOKENS: Type.Boolean({
    default: false,
    description:
      'Whether each refresh gives a new refresh token and ends the former; off, as in the original, whose clients keep one.',
  }),
  JWT_SESSION_TTL: Type.Integer({
    default: 30 * 86400,
    minimum: 1,
    maximum: 2 ** 31,
    description: 'Life of a session, in seconds, however often it is refreshed; where refresh tokens are rotated.',
  }),
  LOGIN_THROTTLE: Type.Enum(['on', 'off'], {
    default: 'on',
    description:
      'Whether failed logins and registrations are counted and limited; `off` where something before the service does it.',
  }),
  LOGIN_FAILURES_PER_USER: Type.Integer({
    default: 10,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Failed logins as one user from one address in 15 minutes, after which the next are answered 429.',
  }),
  LOGIN_FAILURES_PER_ADDRESS: Type.Integer({
    default: 100,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Failed logins from one address (of IPv6, one /64) in 15 minutes, whoever they were for.',
  }),
  REGISTRATION: Type.Enum(['closed', 'open'], {
    default: 'closed',
    description: 'Whether anyone may make an account, by `POST /api/v1/users/`.',
  }),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'The least severe level that is logged.',
  }),
  METRICS_PORT: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65535,
      description:
        'Port on which `HOST` serves metrics for Prometheus, at `/metrics`; 0 takes any free one. None: they are off.',
    }),
  ),
  CORS_ORIGINS: list({
    pattern: '^(https?://[^/\\s,]+(,https?://[^/\\s,]+)*)?$',
    description:
      'Origins whose pages may call the API, such as `https://app.example.com`, separated by commas. None: CORS is off.',
  }),
  TRUST_PROXY: list({
    pattern: '^([0-9A-Fa-f.:]+(/[0-9]+)?(,[0-9A-Fa-f.:]+(/[0-9]+)?)*)?$',
    description:
      'Addresses or CIDR blocks of the proxies before the service, separated by commas; only their `X-Forwarded-…` headers are believed.',
  }),
  SHUTDOWN_DELAY: Type.Integer({
    default: 500,
    minimum: 0,
    maximum: 600_000,
    description: 'Milliseconds between the failing of `/readyz` and the end of listening when the service is stopped.',
  }),
});
export type Config = Static<typeof Config>;

/** A setting that is wrong; the message names it and the reason, and never shows its value. */
export class ConfigError extends Error {}

const SETTINGS = Object.keys(Config.properties);
const isConfig = new Ajv({
  allErrors: true,
  coerceTypes: true,
  useDefaults: true,
  removeAdditional: 'all',
  meta: false,
  validateSchema: false,
  keywords: ['separator'],
}).compile<Config>(Config);
const LISTS = new Set(SETTINGS.filter((name) => 'separator' in Config.properties[name as keyof Config]));
const DESCRIPTIONS = Object.fromEntries(
  Object.entries(Config.properties).map(([name, setting]) => [name, (setting as { description?: string }).description]),
);

/**
 * The settings from the environment and, under it, the `.env` file of `directory`.
 * A blank setting counts as not set.
 * @throws {ConfigError} naming each setting that is wrong, or unknown in `.env`
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, directory = process.cwd()): Config {
  const file = readEnvFile(resolve(directory, '.env'));
  const problems = Object.keys(file)
    .filter((name) => !SETTINGS.includes(name))
    .map((name) => `${name} in .env is not a setting of this service`);
  const settings: unknown = tidyLists({ ...withoutBlanks(file), ...withoutBlanks(env) });
  const config = isConfig(settings) ? splitLists(settings) : undefined;
  problems.push(...(config ? findProblems(config) : (isConfig.errors ?? []).map(describe)));
  if (!config || problems.length > 0) throw new ConfigError(problems.join('\n'));
  return config;
}

function withoutBlanks(settings: NodeJS.Dict<string>): NodeJS.Dict<string> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value?.trim()));
}

/** White space around the items of a list is no part of them. */
function tidyLists(settings: NodeJS.Dict<string>): NodeJS.Dict<string> {
  const tidy = (list: string) =>
    list
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean)
      .join(',');
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, LISTS.has(name) ? tidy(value ?? '') : value]),
  );
}

/** A list is one text in the environment, and so for the schema. */
function splitLists(settings: Config): Config {
  const lists = Object.entries(settings).filter(([name]) => LISTS.has(name));
  return {
    ...settings,
    ...Object.fromEntries(lists.map(([name, list]) => [name, list ? String(list).split(',') : []])),
  };
}

function readEnvFile(path: string): NodeJS.Dict<string> {
  return existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {};
}

function describe({ instancePath, keyword, message, params }: ErrorObject): string {
  const name = instancePath.slice(1);
  if (keyword === 'enum') return `${name} must be one of ${params.allowedValues.join(', ')}`;
  if (keyword === 'pattern') return `${name} has not the form it should. ${DESCRIPTIONS[name]}`;
  return `${name} ${message}`;
}

/** What a schema cannot say of the settings. */
function findProblems(config: Config): string[] {
  const problems: string[] = [];
  if (config.SECRET_KEY !== undefined && Buffer.byteLength(config.SECRET_KEY) < 32) {
    problems.push('SECRET_KEY must have 32 bytes or more');
  }
  if (config.SECRET_KEY_FALLBACKS.some((secret) => Buffer.byteLength(secret) < 32)) {
    problems.push('SECRET_KEY_FALLBACKS must each have 32 bytes or more');
  }
  if (config.SECRET_KEY === undefined && !config.DATABASE_URL.startsWith('file:')) {
    problems.push('SECRET_KEY must be set where the database is PostgreSQL: all processes share it');
  }
  if (config.JWT_ACCESS_TTL > config.JWT_REFRESH_TTL) {
    problems.push('JWT_ACCESS_TTL must not be longer than JWT_REFRESH_TTL');
  }
  if (config.JWT_ROTATE_REFRESH_TOKENS && config.JWT_REFRESH_TTL > config.JWT_SESSION_TTL) {
    problems.push('JWT_REFRESH_TTL must not be longer than JWT_SESSION_TTL');
  }
  if (!config.CORS_ORIGINS.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin)) {
    problems.push('CORS_ORIGINS holds what is no origin: a scheme, a host in lower case and maybe a port, no more');
  }
  if (config.METRICS_PORT === config.PORT && config.PORT !== 0) {
    problems.push('METRICS_PORT must be another than PORT');
  }
  if (!config.TRUST_PROXY.every(isAddressBlock)) problems.push('TRUST_PROXY holds what is no address or CIDR block');
  return problems;
}

function isAddressBlock(block: string): boolean {
  const [address = '', prefix = '0'] = block.split('/');
  const version = isIP(address);
  return version !== 0 && Number(prefix) <= (version === 4 ? 32 : 128);
}
