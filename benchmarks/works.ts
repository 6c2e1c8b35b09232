import { loadConfig } from '../src/config.ts';
import { openDatabase } from '../src/database/index.ts';
import { createUser } from '../src/users.ts';
import type { Answer } from './limit.ts';
import type { Load } from './load.ts';
import type { Server } from './servers.ts';

const PASSWORD = 'wintry-marble-otter-51';
// Node writes these itself.
const OF_NODE = ['connection', 'content-length', 'date', 'keep-alive'];
const JSON_TYPE = { 'content-type': 'application/json' };

/** The service as in production, but that one may log in often and the load needs no fresh JWT. */
export const SETTINGS = { LOG_LEVEL: 'info', LOGIN_THROTTLE: 'off', JWT_ACCESS_TTL: '86400', SHUTDOWN_DELAY: '0' };

type Username = 'reader' | 'writer';
export type Request = Load['requests'][number];

export interface Work {
  name: string;
  requests: Request[];
  connections: number;
  writes?: boolean;
}

/** Values of the Authorization header. */
export interface Authorizations {
  /** of the user whose todos are read */
  reader: string;
  readerJwt: string;
  /** of the user who creates, so that the todos that are read stay as they are */
  writer: string;
}

/** The users of a benchmark, in a database that is migrated where needed. */
export async function makeUsers(settings: Record<string, string>, directory: string): Promise<void> {
  const { prisma, close } = await openDatabase(loadConfig(settings, directory), { migrate: true });
  for (const username of ['reader', 'writer'] as const) {
    await createUser(prisma, { username, email: '', password: PASSWORD, isSuperuser: false });
  }
  await close();
}

/** Logs the users in, and makes the todos of the one who reads. */
export async function makeTodos(service: Server, count = 20): Promise<Authorizations> {
  const logIn = async (path: string, username: Username) =>
    JSON.parse((await send(service, { method: 'POST', path, headers: JSON_TYPE, body: credentials(username) })).body);
  const reader = `Token ${(await logIn('/api/token', 'reader')).token}`;
  const writer = `Token ${(await logIn('/api/token', 'writer')).token}`;
  const readerJwt = `Bearer ${(await logIn('/api/jwt/token/', 'reader')).access}`;
  const { create } = listWorks({ reader, readerJwt, writer: reader });
  for (let i = 1; i <= count; i++) {
    const body = JSON.stringify({ title: `Todo ${i}`, body: 'What is to be done, in a sentence or two.' });
    await send(service, { ...(create.requests[0] as Request), body });
  }
  return { reader, readerJwt, writer };
}

export const WORKS = ['list', 'list-jwt', 'get', 'create', 'update', 'mixed', 'login'] as const;
export type WorkName = (typeof WORKS)[number];

/** What is measured. */
export function listWorks({ reader, readerJwt, writer }: Authorizations): Record<WorkName, Work> {
  const todo = JSON.stringify({ title: 'Buy milk', body: 'two litres', is_completed: false });
  const list = { method: 'GET', path: '/api/v1/todo/', headers: { authorization: reader } };
  const get = { ...list, path: '/api/v1/todo/7/' };
  const update = { ...get, method: 'PATCH', headers: { ...JSON_TYPE, authorization: reader }, body: todo };
  const create = { ...update, method: 'POST', path: '/api/v1/todo/', headers: { ...JSON_TYPE, authorization: writer } };
  const logIn = { method: 'POST', path: '/api/token', headers: JSON_TYPE, body: credentials('reader') };
  const connections = 16;
  return {
    list: { name: 'list 20 todos, API token', requests: [list], connections },
    'list-jwt': {
      name: 'list 20 todos, JWT',
      requests: [{ ...list, headers: { authorization: readerJwt } }],
      connections,
    },
    get: { name: 'get one', requests: [get], connections },
    create: { name: 'create', requests: [create], connections, writes: true },
    update: { name: 'update (PATCH)', requests: [update], connections, writes: true },
    mixed: {
      name: 'nine lists to one update',
      requests: [...Array<Request>(9).fill(list), update],
      connections,
      writes: true,
    },
    login: { name: 'log in (`POST /api/token`)', requests: [logIn], connections: 4 },
  };
}

/** One request; throws where it is not answered 2xx. */
export async function send(
  { origin }: Server,
  { method, path, headers, body = null }: Omit<Request, 'body'> & { body?: string | null },
): Promise<Answer> {
  const answer = await fetch(origin + path, { method, headers, body });
  if (!answer.ok) throw new Error(`${method} ${path} is answered ${answer.status}: ${await answer.text()}`);
  const own = [...answer.headers].filter(([name]) => !OF_NODE.includes(name));
  return { method, path, status: answer.status, headers: Object.fromEntries(own), body: await answer.text() };
}

/** A body that logs the user in. */
export function credentials(username: Username): string {
  return JSON.stringify({ username, password: PASSWORD });
}
