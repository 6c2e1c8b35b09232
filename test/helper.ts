import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { Client } from 'pg';
import { obtainApiToken } from '../src/api-tokens.ts';
import { buildApp } from '../src/app.ts';
import { type Config, loadConfig } from '../src/config.ts';
import { openDatabase } from '../src/database/index.ts';
import { lifetimesOf, startSession } from '../src/sessions.ts';

export const SECRET_KEY = 'a secret of more than thirty-two bytes, for tests';
export const PASSWORD = 'wintry-marble-otter-51';
/** What the service made of PASSWORD. */
export const PASSWORD_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$FEYSlYAG/Z7cQsd50nVUPw$3uw67Je9SGtB1xhejEVx2+tRo8T+r37xKH9h6DjJpxs';

/** A directory that is gone after the test. */
export function temporaryDirectory(t: { after(fn: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'todo-api-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/** Whether this run of the suite is on PostgreSQL. */
export const isOnPostgresql = process.env.TEST_DATABASE_URL !== undefined;

const templates = new Map<string | undefined, Promise<string>>();

/**
 * A fresh database, a copy of a once-migrated one, as the settings that name it; gone after the test.
 * Without a server it is a SQLite file.
 */
export async function makeDatabase(
  t: Pick<TestContext, 'after'>,
  server = process.env.TEST_DATABASE_URL,
): Promise<Record<string, string>> {
  const template = templates.get(server) ?? findTemplate(server);
  templates.set(server, template);
  if (!server) {
    const path = join(temporaryDirectory(t), 'todo.db');
    copyFileSync(await template, path);
    return { DATABASE_URL: `file:${path}` };
  }
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administrate(server, `CREATE DATABASE ${name} TEMPLATE ${await template}`);
  t.after(() => administrate(server, `DROP DATABASE ${name} WITH (FORCE)`));
  return { DATABASE_URL: inDatabase(server, name) };
}

/** The template that the runner made, or one of this process. */
async function findTemplate(server: string | undefined): Promise<string> {
  const { TEST_TEMPLATE: given, TEST_DATABASE_URL: url } = process.env;
  return server === url && given ? given : makeTemplate(server);
}

/** Makes a migrated database that tests copy: the path of a SQLite file, or a name on a server. */
export async function makeTemplate(server: string | undefined): Promise<string> {
  if (!server) {
    const directory = mkdtempSync(join(tmpdir(), 'todo-api-template-'));
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, 'todo.db');
    const { close } = await openDatabase(configure({ DATABASE_URL: `file:${path}` }));
    await close();
    return path;
  }
  await dropTemplate(server);
  await administrate(server, `CREATE DATABASE ${TEMPLATE}`);
  const { close } = await openDatabase(configure({ DATABASE_URL: inDatabase(server, TEMPLATE) }), { migrate: true });
  await close();
  return TEMPLATE;
}

// Several processes may have one on the same server.
const TEMPLATE = `template_${process.pid}`;

/** Drops this process's template from a server. */
export function dropTemplate(server: string): Promise<void> {
  return administrate(server, `DROP DATABASE IF EXISTS ${TEMPLATE}`);
}

/** The address of another database of a server. */
export function inDatabase(url: string, name: string): string {
  const address = new URL(url);
  address.pathname = name;
  return address.href;
}

/** Runs a statement as the server's administrator. */
export async function administrate(url: string, sql: string): Promise<void> {
  const client = new Client(url);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** The settings of a test, without a `.env` file. */
export function configure(settings: Record<string, string>): Config {
  return loadConfig(
    { SECRET_KEY, LOG_LEVEL: 'silent', LOGIN_THROTTLE: 'off', SHUTDOWN_DELAY: '0', ...settings },
    tmpdir(),
  );
}

export interface TestApp {
  app: FastifyInstance;
  origin: string;
  send: Send;
}

/** The real app, listening, on a copy of a once-migrated database; closed after the test. */
export async function build(t: Pick<TestContext, 'after'>, settings: Record<string, string> = {}): Promise<TestApp> {
  const app = await buildApp(configure({ ...(await makeDatabase(t)), ...settings }));
  t.after(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  return { app, origin, send: (method, path, options) => send(origin, method, path, options) };
}

/** The real app as `build` makes it, with every route that is registered in it, hidden ones too. */
export async function buildWithRoutes(
  t: Pick<TestContext, 'after'>,
  settings: Record<string, string>,
): Promise<TestApp & { routes: RouteOptions[] }> {
  const routes: RouteOptions[] = [];
  const watch = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', (route) => void routes.push(route));
  };
  subscribe('fastify.initialization', watch);
  const service = await build(t, settings);
  unsubscribe('fastify.initialization', watch);
  return { ...service, routes };
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests know what they asked for
  body: any;
}
export interface SendOptions {
  headers?: Record<string, string | string[]>;
  /** sent as it is */
  body?: string | Buffer;
  /** sent as JSON */
  json?: unknown;
  authorization?: string;
}
export type Send = (method: string, path: string, options?: SendOptions) => Promise<Answer>;

/** One request over real HTTP, with no header that the caller did not give but Host and the body's length. */
export function send(origin: string, method: string, path: string, options: SendOptions = {}): Promise<Answer> {
  const body = options.json === undefined ? options.body : JSON.stringify(options.json);
  const headers = {
    ...(options.json === undefined ? {} : { 'content-type': 'application/json' }),
    ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(origin, { method, path, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = incoming.headers['content-type']?.startsWith('application/json') && text !== '';
        resolve({
          status: incoming.statusCode as number,
          headers: incoming.headers,
          text,
          body: isJson ? JSON.parse(text) : undefined,
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const GIVE_UP_MS = 60_000;

/** Waits until it is so, which is asked every few milliseconds. Throws where it does not become so, naming it. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, everyMs = 10): Promise<void> {
  for (const end = Date.now() + GIVE_UP_MS; !(await isSo()); ) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await setTimeout(everyMs);
  }
}

/** A promise to wait for, and the function that fulfils it. */
export function signal(): { raised: Promise<void>; raise: () => void } {
  let raise = () => {};
  const raised = new Promise<void>((resolve) => {
    raise = resolve;
  });
  return { raised, raise };
}

/** Takes a connection of the pool, until it is released. */
export async function holdConnection({ app }: TestApp): Promise<{ release(): Promise<void> }> {
  const [taken, released] = [signal(), signal()];
  const hold = async () => {
    taken.raise();
    await released.raised;
  };
  const transaction = app.prisma.$transaction(hold, { timeout: GIVE_UP_MS });
  await Promise.race([taken.raised, transaction]);
  return {
    release() {
      released.raise();
      return transaction;
    },
  };
}

/** Makes a user with PASSWORD, without the cost of a hash. */
export function addUser(
  { app: { prisma } }: { app: Pick<FastifyInstance, 'prisma'> },
  username: string,
  { isSuperuser = false } = {},
): Promise<{ id: number }> {
  return prisma.user.create({ data: { username, password: PASSWORD_HASH, isSuperuser } });
}

export interface Credentials {
  token: string;
  access: string;
  refresh: string;
}

/** Gives a user who has PASSWORD what `logIn` does, without its cost. */
export async function enter({ app }: TestApp, id: number): Promise<Credentials> {
  const login = { id, password: PASSWORD_HASH, isActive: true } as const;
  const client = { userAgent: '', address: '127.0.0.1' };
  const pair = await startSession(app.prisma, app.jwtCodec, lifetimesOf(app.config), login, client);
  const token = await obtainApiToken(app.prisma, [SECRET_KEY], { id });
  if (!pair || !token) throw new Error(`no credentials for ${id}`);
  return { ...pair, token };
}

/** Logs in by both schemes. */
export async function logIn({ send }: TestApp, username: string): Promise<Credentials> {
  const json = { username, password: PASSWORD };
  const token = await send('POST', '/api/token', { json });
  const pair = await send('POST', '/api/jwt/token/', { json });
  return { ...token.body, ...pair.body };
}
