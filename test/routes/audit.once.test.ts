import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, suite, type TestContext, test } from 'node:test';
import type { SecurityEvent } from '../../plugins/audit.ts';
import auth from '../../plugins/auth.ts';
import prismaPlugin from '../../plugins/prisma.ts';
import shutdown from '../../plugins/shutdown.ts';
import { obtainApiToken } from '../../src/api-tokens.ts';
import { openDatabase } from '../../src/database/index.ts';
import type { JwtCodec } from '../../src/jwt-codec.ts';
import { startSession } from '../../src/sessions.ts';
import {
  type Answer,
  configure,
  addUser as insertUser,
  makeDatabase,
  PASSWORD,
  PASSWORD_HASH,
  SECRET_KEY,
  type Send,
  send,
  temporaryDirectory,
} from '../helper.ts';
import { serve } from '../plugins/helper-app.ts';
import { claimsOf, forge } from '../plugins/helper-jwt.ts';
import { type Algorithm, type KeyFile, makeKeyFile } from '../plugins/helper-jwt-keys.ts';
import { END, exchange } from '../plugins/helper-socket.ts';
import { type Server, startServer } from '../src/helper.ts';

const [INFO, WARN] = [30, 40];
const OTHER_PASSWORD = 'granite-lantern-heron-84';

/** The level of each event; the compiler sees to it that none is left out. */
const LEVELS: Record<SecurityEvent, number> = {
  'login.succeeded': INFO,
  'login.failed': INFO,
  'login.throttled': WARN,
  'registration.throttled': WARN,
  'credential.refused': INFO,
  'token.created': INFO,
  'token.ended': INFO,
  'session.ended': INFO,
  'session.reused': WARN,
  'user.registered': INFO,
  'user.changed': INFO,
  'user.deleted': INFO,
  'password.changed': INFO,
};

interface User {
  id: number;
  username: string;
  token: string;
  access: string;
  refresh: string;
}

interface Scene {
  /** sends from the row's own address */
  send: Send;
  paul: User;
  inactive: User;
  /** a new user, logged in */
  anybody(): Promise<User>;
}

/** What the line of an event tells beside its level, address and request. */
interface Event {
  event: SecurityEvent;
  userId?: number;
  [detail: string]: unknown;
}

type Row = [what: string, act: (scene: Scene) => Promise<{ answer: Answer; events: Event[] }>];

const bearer = ({ access }: User) => ({ authorization: `Bearer ${access}` });
const byToken = ({ token }: User) => ({ authorization: `Token ${token}` });
const logIn = (send: Send, username: string, password = PASSWORD, path = '/api/token') =>
  send('POST', path, { json: { username, password } });
const sid = ({ access }: Pick<User, 'access'>) => claimsOf(access).sid;

/** A login, refused or not. */
const login = (what: string, username: string, password: string, event: SecurityEvent, who?: 'paul' | 'inactive') =>
  ['/api/token', '/api/jwt/token/'].map(
    (path): Row => [
      `${what} at ${path}`,
      async (scene) => ({
        answer: await logIn(scene.send, username, password, path),
        events: [{ event, ...(who && { userId: scene[who].id }) }],
      }),
    ],
  );

/** Credentials of a request that are refused, for this reason. */
const refused = (what: string, authorize: (scene: Scene) => string, reason: string): Row => [
  what,
  async (scene) => ({
    answer: await scene.send('GET', '/api/v1/todo/', { authorization: authorize(scene) }),
    events: [{ event: 'credential.refused', reason }],
  }),
];

/** What is no event. */
const silent = (what: string, act: (scene: Scene) => Promise<Answer>): Row => [
  what,
  async (scene) => ({ answer: await act(scene), events: [] }),
];

const ROWS: Row[] = [
  ...login('a login', 'paul', PASSWORD, 'login.succeeded', 'paul'),
  ...login('a wrong password', 'paul', 'wrong', 'login.failed', 'paul'),
  ...login('the right password of an inactive user', 'inactive', PASSWORD, 'login.failed', 'inactive'),
  ...login('an unknown user', 'nobody', PASSWORD, 'login.failed'),
  [
    'a wrong present password for another',
    async ({ send, paul }) => ({
      answer: await send('POST', '/api/v1/users/me/password/', {
        ...bearer(paul),
        json: { current_password: 'wrong', new_password: OTHER_PASSWORD },
      }),
      events: [{ event: 'login.failed', userId: paul.id }],
    }),
  ],
  [
    'a wrong password for the end of an account',
    async ({ send, paul }) => ({
      answer: await send('DELETE', '/api/v1/users/me/', { ...byToken(paul), json: { password: 'wrong' } }),
      events: [{ event: 'login.failed', userId: paul.id }],
    }),
  ],
  [
    'one failed login too many',
    async ({ send }) => {
      for (let i = 0; i < 2; i++) await logIn(send, 'nobody');
      return { answer: await logIn(send, 'nobody'), events: [{ event: 'login.throttled' }] };
    },
  ],
  [
    'one wrong present password too many',
    async ({ send, paul }) => {
      for (let i = 0; i < 2; i++) await logIn(send, 'paul', 'wrong');
      const json = { current_password: PASSWORD, new_password: OTHER_PASSWORD };
      const answer = await send('POST', '/api/v1/users/me/password/', { ...byToken(paul), json });
      return { answer, events: [{ event: 'login.throttled', userId: paul.id }] };
    },
  ],
  [
    'one registration too many',
    async ({ send }) => {
      const register = () => send('POST', '/api/v1/users/', { json: { username: 'otto', password: '1' } });
      for (let i = 0; i < 20; i++) await register();
      return { answer: await register(), events: [{ event: 'registration.throttled' }] };
    },
  ],

  refused('an unknown token', () => `Token ${'f'.repeat(40)}`, 'TODO_INVALID_TOKEN'),
  refused('no token', () => 'Token', 'TODO_EMPTY_TOKEN_HEADER'),
  refused('two tokens', ({ paul }) => `Token ${paul.token} x`, 'TODO_SPACED_TOKEN_HEADER'),
  refused('a token that is no text', () => 'Token \xff', 'TODO_UNDECODABLE_TOKEN_HEADER'),
  refused('a token of an inactive user', ({ inactive }) => `Token ${inactive.token}`, 'TODO_TOKEN_USER_INACTIVE'),
  refused('no JWT', () => 'Bearer', 'TODO_BAD_BEARER_HEADER'),
  refused(
    'a JWT of another key',
    ({ paul }) => `Bearer ${forge(claimsOf(paul.access), { secret: 'x' })}`,
    'TODO_ACCESS_TOKEN_REFUSED',
  ),
  refused('a refresh token', ({ paul }) => `Bearer ${paul.refresh}`, 'TODO_ACCESS_TOKEN_REFUSED'),
  refused('a JWT of an inactive user', ({ inactive }) => `Bearer ${inactive.access}`, 'TODO_USER_INACTIVE'),
  ...['refresh', 'verify', 'blacklist'].map(
    (path): Row => [
      `what is no JWT, to ${path}`,
      async ({ send }) => ({
        answer: await send('POST', `/api/jwt/token/${path}/`, { json: { refresh: 'x', token: 'x' } }),
        events: [{ event: 'credential.refused', reason: 'TODO_JWT_INVALID' }],
      }),
    ],
  ),
  [
    'an access token to refresh',
    async ({ send, paul }) => ({
      answer: await send('POST', '/api/jwt/token/refresh/', { json: { refresh: paul.access } }),
      events: [{ event: 'credential.refused', reason: 'TODO_JWT_WRONG_TYPE' }],
    }),
  ],
  [
    'a refresh token of an inactive user',
    async ({ send, inactive }) => ({
      answer: await send('POST', '/api/jwt/token/refresh/', { json: { refresh: inactive.refresh } }),
      events: [{ event: 'credential.refused', reason: 'TODO_USER_INACTIVE' }],
    }),
  ],
  [
    'a refresh token of a session that is over',
    async ({ send, anybody }) => {
      const { refresh } = await anybody();
      await send('POST', '/api/jwt/token/blacklist/', { json: { refresh } });
      return {
        answer: await send('POST', '/api/jwt/token/refresh/', { json: { refresh } }),
        events: [{ event: 'credential.refused', reason: 'TODO_JWT_BLACKLISTED' }],
      };
    },
  ],

  ...Object.entries({ bearer, byToken }).map(
    ([name, by]): Row => [
      `a token is made: ${name}`,
      async ({ send, paul }) => {
        const answer = await send('POST', '/api/v1/tokens/', {
          ...by(paul),
          json: { name: 'a', scopes: ['todo:read', 'todo:write'] },
        });
        const { id: tokenId, scopes } = answer.body;
        return { answer, events: [{ event: 'token.created', userId: paul.id, tokenId, scopes }] };
      },
    ],
  ),
  [
    'a default token is made',
    async ({ send, anybody }) => {
      const user = await anybody();
      await send('DELETE', '/api/v1/tokens/current/', byToken(user));
      return {
        answer: await logIn(send, user.username),
        events: [
          { event: 'login.succeeded', userId: user.id },
          { event: 'token.created', userId: user.id },
        ],
      };
    },
  ],
  [
    'a token without bounds is made',
    async ({ send, paul }) => {
      const answer = await send('POST', '/api/v1/tokens/', { ...bearer(paul), json: { name: 'a' } });
      return {
        answer,
        events: [{ event: 'token.created', userId: paul.id, tokenId: answer.body.id, scopes: null }],
      };
    },
  ],
  [
    'a token is ended',
    async ({ send, paul }) => {
      const { body } = await send('POST', '/api/v1/tokens/', { ...bearer(paul), json: { name: 'a' } });
      const answer = await send('DELETE', `/api/v1/tokens/${body.id}/`, bearer(paul));
      return { answer, events: [{ event: 'token.ended', userId: paul.id, tokenId: body.id }] };
    },
  ],
  [
    'a token ends itself',
    async ({ send, paul }) => {
      const { body } = await send('POST', '/api/v1/tokens/', { ...bearer(paul), json: { name: 'a' } });
      const answer = await send('DELETE', '/api/v1/tokens/current/', { authorization: `Token ${body.token}` });
      return { answer, events: [{ event: 'token.ended', userId: paul.id, tokenId: body.id }] };
    },
  ],

  [
    'a session is ended',
    async ({ send, anybody }) => {
      const user = await anybody();
      return {
        answer: await send('DELETE', `/api/v1/sessions/${sid(user)}/`, byToken(user)),
        events: [{ event: 'session.ended', userId: user.id, sessionId: sid(user) }],
      };
    },
  ],
  [
    'all sessions are ended',
    async ({ send, anybody }) => {
      const user = await anybody();
      await logIn(send, user.username, PASSWORD, '/api/jwt/token/');
      return {
        answer: await send('DELETE', '/api/v1/sessions/', bearer(user)),
        events: [{ event: 'session.ended', userId: user.id, sessions: 2 }],
      };
    },
  ],
  [
    'a session is blacklisted',
    async ({ send, anybody }) => {
      const user = await anybody();
      return {
        answer: await send('POST', '/api/jwt/token/blacklist/', { json: { refresh: user.refresh } }),
        events: [{ event: 'session.ended', userId: user.id, sessionId: sid(user) }],
      };
    },
  ],
  ...['refresh', 'blacklist'].map(
    (path): Row => [
      `a refresh token that was replaced is used again to ${path}`,
      async ({ send, anybody }) => {
        const user = await anybody();
        let { refresh } = user;
        for (let i = 0; i < 2; i++) {
          refresh = (await send('POST', '/api/jwt/token/refresh/', { json: { refresh } })).body.refresh;
        }
        return {
          answer: await send('POST', `/api/jwt/token/${path}/`, { json: { refresh: user.refresh } }),
          events: [{ event: 'session.reused', userId: user.id, sessionId: sid(user) }],
        };
      },
    ],
  ),

  [
    'a user registers',
    async ({ send }) => {
      const json = { username: 'maria', password: OTHER_PASSWORD };
      const answer = await send('POST', '/api/v1/users/', { json });
      return { answer, events: [{ event: 'user.registered', userId: answer.body.id }] };
    },
  ],
  [
    'an account is changed',
    async ({ send, paul }) => ({
      answer: await send('PATCH', '/api/v1/users/me/', { ...byToken(paul), json: { email: 'paul@domain.com' } }),
      events: [{ event: 'user.changed', userId: paul.id }],
    }),
  ],
  [
    'a password is changed',
    async ({ send, anybody }) => {
      const user = await anybody();
      const json = { current_password: PASSWORD, new_password: OTHER_PASSWORD };
      return {
        answer: await send('POST', '/api/v1/users/me/password/', { ...bearer(user), json }),
        events: [{ event: 'password.changed', userId: user.id }],
      };
    },
  ],
  [
    'an account is deleted',
    async ({ send, anybody }) => {
      const user = await anybody();
      return {
        answer: await send('DELETE', '/api/v1/users/me/', { ...byToken(user), json: { password: PASSWORD } }),
        events: [{ event: 'user.deleted', userId: user.id }],
      };
    },
  ],

  silent('no credentials', ({ send }) => send('GET', '/api/v1/todo/')),
  silent('another scheme', ({ send }) => send('GET', '/api/v1/todo/', { authorization: 'Basic eDp5' })),
  silent('a good token', ({ send, paul }) => send('GET', '/api/v1/todo/', byToken(paul))),
  silent('a good JWT', ({ send, paul }) => send('GET', '/api/v1/todo/', bearer(paul))),
  silent('a token beyond its scope', async ({ send, paul }) => {
    const { body } = await send('POST', '/api/v1/tokens/', {
      ...bearer(paul),
      json: { name: 'a', scopes: 'todo:read' },
    });
    return send('GET', '/api/v1/users/me/', { authorization: `Token ${body.token}` });
  }),
  silent('a bad token where none is asked for', ({ send }) => send('GET', '/healthz', { authorization: 'Token x' })),
  silent('a bad token on a path that does not exist', ({ send }) => send('GET', '/x', { authorization: 'Token x' })),
  silent('a login without a password', ({ send }) => send('POST', '/api/token', { json: { username: 'paul' } })),
  silent('the end of a token that is not there', ({ send, paul }) =>
    send('DELETE', '/api/v1/tokens/999999/', byToken(paul)),
  ),
  silent('the end of a session that is not there', ({ send, paul }) =>
    send('DELETE', `/api/v1/sessions/${'f'.repeat(32)}/`, byToken(paul)),
  ),
  silent('a name that is taken', ({ send }) =>
    send('POST', '/api/v1/users/', { json: { username: 'paul', password: OTHER_PASSWORD } }),
  ),
  silent('a new password that is too short', ({ send, paul }) =>
    send('POST', '/api/v1/users/me/password/', {
      ...byToken(paul),
      json: { current_password: PASSWORD, new_password: 'x' },
    }),
  ),
  silent('a change of nothing', ({ send, paul }) => send('PATCH', '/api/v1/users/me/', { ...byToken(paul), json: {} })),
  silent('an address that is none', ({ send, paul }) =>
    send('PATCH', '/api/v1/users/me/', { ...byToken(paul), json: { email: 'x' } }),
  ),
];

// biome-ignore lint/suspicious/noExplicitAny: the tests know what they asked for
type Line = any;

interface Result {
  answer: Answer;
  events: Event[];
  address: string;
  lines: Line[];
}

let results: Map<string, Result>;
let log: Line[];

/** Signs as the server does. */
const codec: JwtCodec = { sign: (claims) => forge(claims), verify: () => assert.fail() };

/** All rows happen at one server. */
before(async (t) => {
  const settings = await makeDatabase(t as TestContext);
  const { prisma, close } = await openDatabase(configure(settings));
  const server = await startServer(t as TestContext, {
    directory: temporaryDirectory(t as TestContext),
    settings: {
      ...settings,
      TRUST_PROXY: '127.0.0.1',
      REGISTRATION: 'open',
      JWT_ROTATE_REFRESH_TOKENS: 'true',
      LOGIN_FAILURES_PER_USER: '2',
      SHUTDOWN_DELAY: '0',
    },
  });
  const sendFrom =
    (address: string): Send =>
    (method, path, options = {}) =>
      send(server.origin, method, path, { ...options, headers: { 'x-forwarded-for': address, ...options.headers } });
  const addUser = async (username: string): Promise<User> => {
    const { id } = await insertUser({ app: { prisma } }, username);
    const login = { id, password: PASSWORD_HASH, isActive: true as const };
    const token = await obtainApiToken(prisma, [SECRET_KEY], login);
    const pair = await startSession(prisma, codec, { access: 300, refresh: 86_400 }, login);
    return { id, username, token, ...pair } as User;
  };
  const [paul, inactive] = [await addUser('paul'), await addUser('inactive')];
  await prisma.user.update({ where: { id: inactive.id }, data: { isActive: false } });

  results = new Map();
  for (const [index, [what, act]] of ROWS.entries()) {
    // Each row has a network of its own, and so its own count of failed logins.
    const address = `2001:db8:0:${(index + 1).toString(16)}::1`;
    const scene = { send: sendFrom(address), paul, inactive, anybody: () => addUser(`user${index}`) };
    results.set(what, { ...(await act(scene)), address, lines: [] });
  }
  await exchange(
    server.origin,
    'POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
    END,
  );
  await close();
  log = await stop(server);
  for (const result of results.values()) {
    result.lines = log.filter(({ reqId }) => reqId === result.answer.headers['x-request-id']);
  }
});

/** Stops a server, and gives all that it had to say. */
async function stop({ child, log }: Server): Promise<Line[]> {
  const exit = once(child, 'close');
  child.kill('SIGTERM');
  await exit;
  return log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => withoutProcess(JSON.parse(line)));
}

/** A line without what each has: the time and the process. */
function withoutProcess({ time, pid, hostname, ...line }: Line): Line {
  assert.ok(Math.abs(time - Date.now()) < 600_000 && pid > 0 && hostname !== '');
  return line;
}

suite('the log of', () => {
  for (const [what] of ROWS) {
    test(what, () => {
      const { answer, events, address, lines } = results.get(what) as Result;
      const reqId = answer.headers['x-request-id'];
      assert.match(String(reqId), /^[0-9a-f-]{36}$/);
      const [request, ...others] = lines.filter(({ msg }) => msg === 'request');
      assert.deepEqual([request?.status, others], [answer.status, []]);
      assert.deepEqual(
        lines.filter(({ msg }) => msg !== 'request'),
        events.map(({ event, ...details }) => ({
          level: LEVELS[event],
          reqId,
          event,
          address,
          ...details,
          msg: 'security',
        })),
      );
    });
  }
});

test('every event has a row', () => {
  const found = new Set([...results.values()].flatMap(({ events }) => events.map(({ event }) => event)));
  assert.deepEqual([...found].sort(), Object.keys(LEVELS).sort());
});

test('nothing that a client does is an error, a body cut short neither', () => {
  assert.deepEqual(
    log.filter(({ level }) => level > WARN),
    [],
  );
});

test('every line of an event is of a request, and says security', () => {
  const lines = log.filter(({ event }) => event !== undefined && event !== 'key.in_use');
  assert.ok(lines.length > [...results.values()].flatMap(({ events }) => events).length);
  for (const { event, level, msg, reqId, address } of lines) {
    assert.deepEqual([level, msg], [LEVELS[event as SecurityEvent], 'security'], event);
    assert.ok(reqId && address, event);
  }
});

const keys: [what: string, algorithms: Algorithm[], fallbacks: string[]][] = [
  ['a secret', [], []],
  ['a secret after another', [], ['a former secret of more than thirty-two bytes']],
  ['a key pair', ['EdDSA'], []],
  ['a key pair after another and a secret', ['ES256', 'EdDSA'], ['a former secret of more than thirty-two bytes']],
];
const keyInUse = ([first, ...others]: KeyFile[], fallbacks: string[]) => ({
  level: INFO,
  event: 'key.in_use',
  algorithm: first?.algorithm ?? 'HS256',
  ...(first && { kid: first.kid }),
  fallbacks: others.length + fallbacks.length,
  msg: 'security',
});

test('the log at start tells the key in use', () => {
  assert.deepEqual(
    log.filter(({ event }) => event === 'key.in_use'),
    [keyInUse([], [])],
  );
});

suite('the log at start tells the key in use', () => {
  for (const [what, algorithms, fallbacks] of keys) {
    test(what, async (t) => {
      const directory = temporaryDirectory(t);
      const files = algorithms.map((algorithm) => makeKeyFile(directory, algorithm));
      const { logs } = await serve(t, [shutdown, prismaPlugin, auth], () => {}, {
        JWT_KEY_FILES: files.map(({ path }) => path).join(),
        SECRET_KEY_FALLBACKS: fallbacks.join(),
      });
      assert.deepEqual(logs.filter(({ event }) => event !== undefined).map(withoutProcess), [
        keyInUse(files, fallbacks),
      ]);
    });
  }
});
