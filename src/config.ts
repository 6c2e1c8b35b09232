import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { Ajv, type ErrorObject } from 'ajv';
import { envSchema } from 'env-schema';
import { type Static, Type } from 'typebox';

const list = (options: { description: string; pattern: string }) =>
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
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'The least severe level that is logged.',
  }),
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
  const data = { ...withoutBlanks(file), ...withoutBlanks(env) };
  const ajv = new Ajv({
    allErrors: true,
    coerceTypes: true,
    useDefaults: true,
    removeAdditional: true,
    keywords: [envSchema.keywords.separator],
  });
  try {
    const config = envSchema<Config>({
      schema: structuredClone(Config),
      data,
      env: false,
      ajv,
    });
    problems.push(...findProblems(config));
    if (problems.length === 0) return config;
  } catch (error) {
    problems.push(...((error as { errors?: ErrorObject[] }).errors ?? []).map(describe));
  }
  throw new ConfigError(problems.join('\n'));
}

function withoutBlanks(settings: NodeJS.Dict<string>): NodeJS.Dict<string> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value?.trim()));
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
  if (config.SECRET_KEY === undefined && !config.DATABASE_URL.startsWith('file:')) {
    problems.push('SECRET_KEY must be set where the database is PostgreSQL: all processes share it');
  }
  if (config.JWT_ACCESS_TTL > config.JWT_REFRESH_TTL) {
    problems.push('JWT_ACCESS_TTL must not be longer than JWT_REFRESH_TTL');
  }
  if (!config.CORS_ORIGINS.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin)) {
    problems.push('CORS_ORIGINS holds what is no origin: a scheme, a host in lower case and maybe a port, no more');
  }
  if (!config.TRUST_PROXY.every(isAddressBlock)) problems.push('TRUST_PROXY holds what is no address or CIDR block');
  return problems;
}

function isAddressBlock(block: string): boolean {
  const [address = '', prefix = '0'] = block.split('/');
  const version = isIP(address);
  return version !== 0 && Number(prefix) <= (version === 4 ? 32 : 128);
}
