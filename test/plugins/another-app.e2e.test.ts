import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import Fastify, { type FastifyInstance } from 'fastify';
import authenticate from 'todo-api/plugins/authenticate';
import jwtAuth, { type JwtAuthOptions } from 'todo-api/plugins/jwt-auth';
import tokenAuth, { type TokenAuthOptions } from 'todo-api/plugins/token-auth';
import type { LiveUser } from '../../src/database/index.ts';
import { packagePath } from '../../src/package.ts';
import { SECRET_KEY, temporaryDirectory } from '../helper.ts';
import { forge, forgeries } from './helper-jwt.ts';

const TOKEN = 'Token';
const BEARER = 'Bearer realm="api"';
const KEYS = { ada: '1'.repeat(40), reader: '2'.repeat(40), writer: '3'.repeat(40), gone: '4'.repeat(40) };
const keys: JwtAuthOptions['keys'] = [{ algorithm: 'HS256', secret: SECRET_KEY }];

const exp = Math.floor(Date.now() / 1000) + 300;
const claims = { token_type: 'access', exp, jti: 'f'.repeat(32), user_id: 7, sid: 'of ada' };

function makeUser(id: number, scopes: string[] | null = null, isActive = true): LiveUser {
  const credential = { kind: 'token', id, scopes, lastUsedAt: null, expiresAt: null } as const;
  return { id, isActive, isSuperuser: false, credential };
}

const digestOf = (key: string) => createHash('sha256').update(key).digest('hex');
const tokenUsers = new Map([
  [digestOf(KEYS.ada), makeUser(7)],
  [digestOf(KEYS.reader), makeUser(8, ['todo:read'])],
  [digestOf(KEYS.writer), makeUser(9, ['todo:write'])],
  [digestOf(KEYS.gone), makeUser(10, null, false)],
]);
const sessionUsers = new Map([
  ['7 of ada', makeUser(7)],
  ['8 of reader', makeUser(8, ['todo:read'])],
  ['10 of gone', makeUser(10, null, false)],
]);
const byToken: TokenAuthOptions = { findUser: async (digest) => tokenUsers.get(digest) };
const bySession: JwtAuthOptions = { keys, findUser: async (sid, userId) => sessionUsers.get(`${userId} ${sid}`) };

function close(t: Pick<TestContext, 'after'>, app: FastifyInstance): FastifyInstance {
  t.after(() => app.close());
  return app;
}

/** What an answer says by Fastify's own error handler, and the challenges it has. */
async function ask(app: FastifyInstance, url: string, authorization?: string) {
  const answer = await app.inject({ url, headers: authorization === undefined ? {} : { authorization } });
  const { id, message } = answer.json();
  return { status: answer.statusCode, says: id ?? message, challenges: answer.headers['www-authenticate'] };
}

test('both schemes in an app of other users, by their options alone', async (t) => {
  const app = close(t, Fastify());
  app.register(tokenAuth, byToken);
  app.register(jwtAuth, bySession);
  app.register(authenticate);
  app.register(async (instance) => {
    const { verifyApiToken, verifyJwt } = instance;
    instance.get('/', { onRequest: instance.authenticate }, async ({ user }) => user);
    const config = { scope: 'todo:read' } as const;
    instance.get('/scoped', { onRequest: instance.authenticate, config }, async ({ user }) => user);
    instance.get('/any', { onRequest: instance.authenticate, config: { scope: 'any' } }, async ({ user }) => user);
    instance.get('/turned', { onRequest: instance.auth([verifyJwt, verifyApiToken]) }, async ({ user }) => user);
    instance.get('/token', { onRequest: verifyApiToken }, async ({ user }) => user);
    instance.get('/jwt', { onRequest: verifyJwt }, async ({ user }) => user);
  });
  await app.ready();
  for (const name of ['prisma', 'config', 'securityHeaders']) assert.ok(!app.hasDecorator(name), name);

  const of = (sid: string, user_id: number) => `Bearer ${forge({ ...claims, sid, user_id })}`;
  const both = [TOKEN, BEARER];
  const NONE = 'Authentication credentials were not provided.';
  const FORBIDDEN = 'You do not have permission to perform this action.';
  const JWT_REFUSED = 'Given token not valid for any token type';
  const rows: [path: string, authorization: string | undefined, says: number | string, challenges?: unknown][] = [
    ['/', `Token ${KEYS.ada}`, 7],
    ['/', `token ${KEYS.ada}`, 7],
    ['/', of('of ada', 7), 7],
    ['/turned', `Token ${KEYS.ada}`, 7],
    ['/turned', of('of ada', 7), 7],
    ['/token', `Token ${KEYS.ada}`, 7],
    ['/jwt', of('of ada', 7), 7],
    ['/', undefined, NONE, both],
    ['/', 'Basic cGF1bDp4', NONE, both],
    ['/', 'Token', 'Invalid token header. No credentials provided.', both],
    ['/', `Token ${'0'.repeat(40)}`, 'Invalid token.', both],
    ['/', `Token ${digestOf(KEYS.ada)}`, 'Invalid token.', both],
    ['/', `Token ${KEYS.gone}`, 'User inactive or deleted.', both],
    ['/', 'Bearer', 'Authorization header must contain two space-delimited values', both],
    ['/', of('of ada', 8), JWT_REFUSED, both],
    ['/', of('ended', 7), JWT_REFUSED, both],
    ['/', of('of gone', 10), 'User is inactive', both],
    ['/', `Bearer ${forge({ ...claims, token_type: 'refresh' })}`, JWT_REFUSED, both],
    ['/turned', undefined, NONE, [BEARER, TOKEN]],
    ['/turned', 'Token x', 'Invalid token.', [BEARER, TOKEN]],
    ['/token', undefined, NONE, [TOKEN]],
    ['/token', of('of ada', 7), NONE, [TOKEN]],
    ['/jwt', undefined, NONE, [BEARER]],
    ['/jwt', `Token ${KEYS.ada}`, NONE, [BEARER]],
    ['/', `Token ${KEYS.reader}`, FORBIDDEN],
    ['/token', `Token ${KEYS.reader}`, FORBIDDEN],
    ['/', of('of reader', 8), FORBIDDEN],
    ['/jwt', of('of reader', 8), FORBIDDEN],
    ['/scoped', `Token ${KEYS.writer}`, FORBIDDEN],
    ['/scoped', `Token ${KEYS.reader}`, 8],
    ['/scoped', of('of reader', 8), 8],
    ['/scoped', `Token ${KEYS.ada}`, 7],
    ['/any', `Token ${KEYS.writer}`, 9],
    ...forgeries(forge(claims)).map(({ token }): [string, string, string, unknown] => [
      '/',
      `Bearer ${token}`,
      JWT_REFUSED,
      both,
    ]),
  ];
  for (const [path, authorization, says, challenges] of rows) {
    const status = typeof says === 'number' ? 200 : says === FORBIDDEN ? 403 : 401;
    const answer = await ask(app, path, authorization);
    assert.deepEqual(answer, { status, says, challenges }, `${path} ${authorization}`);
  }
});

test('one scheme alone', async (t) => {
  const rows = [
    { name: 'verifyApiToken', plugin: tokenAuth, options: byToken, header: `Token ${KEYS.ada}`, challenge: TOKEN },
    { name: 'verifyJwt', plugin: jwtAuth, options: bySession, header: `Bearer ${forge(claims)}`, challenge: BEARER },
  ] as const;
  for (const { name, plugin, options, header, challenge } of rows) {
    const app = close(t, Fastify());
    await app.register(plugin as typeof tokenAuth, options as TokenAuthOptions);
    app.get('/', { onRequest: app[name] }, async ({ user }) => user);
    assert.deepEqual(await ask(app, '/', header), { status: 200, says: 7, challenges: undefined });
    const { status, challenges } = await ask(app, '/', 'Basic x');
    assert.deepEqual([status, challenges], [401, [challenge]]);

    const half = close(t, Fastify());
    half.register(plugin as typeof tokenAuth, options as TokenAuthOptions);
    half.register(authenticate);
    await assert.rejects(Promise.resolve(half.ready()), { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' });
  }
});

test('a lookup that fails is a fault of the app and no refusal', async (t) => {
  const error = new Error('no connection');
  const findUser = () => Promise.reject(error);
  const app = close(t, Fastify());
  await app.register(tokenAuth, { findUser });
  await app.register(jwtAuth, { keys, findUser });
  await app.register(authenticate);
  app.get('/', { onRequest: app.authenticate }, async () => ({}));
  app.get('/token', { onRequest: app.verifyApiToken }, async () => ({}));
  for (const statusCode of [undefined, 503]) {
    Object.assign(error, { statusCode });
    for (const [path, authorization] of [
      ['/', `Token ${KEYS.ada}`],
      ['/', `Bearer ${forge(claims)}`],
      ['/token', `Token ${KEYS.ada}`],
    ] as const) {
      const { status, challenges } = await ask(app, path, authorization);
      assert.deepEqual([status, challenges], [statusCode ?? 500, undefined], path);
    }
  }
});

test('the use of a token is told, and the answer does not depend on it', async (t) => {
  const logs: string[] = [];
  const app = close(t, Fastify({ logger: { level: 'warn', stream: { write: (line) => void logs.push(line) } } }));
  const told: number[] = [];
  const noteUse = ({ id }: LiveUser) => {
    told.push(id);
    return id === 7 ? Promise.reject(new Error('full')) : undefined;
  };
  await app.register(tokenAuth, { ...byToken, noteUse });
  app.get('/', { onRequest: app.verifyApiToken, config: { scope: 'any' } }, async ({ user }) => user);
  for (const key of [KEYS.reader, KEYS.gone, 'x', KEYS.ada]) await ask(app, '/', `Token ${key}`);
  assert.deepEqual(told, [8, 7]);
  assert.equal((await ask(app, '/', `Token ${KEYS.ada}`)).status, 200);
  assert.deepEqual(
    logs.map((line) => [JSON.parse(line).msg, JSON.parse(line).err.message]),
    Array(2).fill(['use of a token was not noted', 'full']),
  );
});

test('an error handler of the app has the challenges', async (t) => {
  const app = close(t, Fastify());
  app.setErrorHandler<{ headers?: Record<string, string[]> }>((error, { challenges }, reply) =>
    reply
      .code(401)
      .headers(error.headers ?? {})
      .send({ id: challenges }),
  );
  await app.register(tokenAuth, byToken);
  app.get('/', { onRequest: app.verifyApiToken }, async () => ({}));
  assert.deepEqual(await ask(app, '/'), { status: 401, says: [TOKEN], challenges: [TOKEN] });
});

test('JWTs of an issuer and for an audience, by a key pair of which the app has the public half', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const names = { issuer: 'https://id.example', audience: 'invoices' };
  const serve = async (secret: { public: string; private?: string }, more = {}) => {
    const app = close(t, Fastify());
    await app.register(jwtAuth, { ...bySession, ...more, keys: [{ algorithm: 'EdDSA', secret }] });
    app.get('/', { onRequest: app.verifyJwt }, async ({ user }) => user);
    return app;
  };
  const issuer = await serve({ public: publicKey, private: privateKey }, names);
  const verifier = await serve({ public: publicKey }, names);
  const all = { ...claims, iat: exp - 300 };
  assert.equal((await ask(verifier, '/', `Bearer ${issuer.jwtCodec.sign(all)}`)).status, 200);
  for (const other of [{}, { ...names, issuer: 'https://other.example' }, { ...names, audience: 'others' }]) {
    const stranger = await serve({ public: publicKey, private: privateKey }, other);
    assert.equal((await ask(verifier, '/', `Bearer ${stranger.jwtCodec.sign(all)}`)).status, 401);
  }
  assert.throws(() => verifier.jwtCodec.sign(all));
});

test('wrong options stop the start', async (t) => {
  const { findUser } = bySession;
  const jwt = (more: object) => ({ plugin: jwtAuth, options: { findUser, keys, ...more } });
  const rows = [
    { plugin: tokenAuth, options: {}, reason: 'token-auth: findUser must be a function' },
    { ...jwt({ findUser: undefined }), reason: 'jwt-auth: findUser must be a function' },
    { ...jwt({ keys: undefined }), reason: 'jwt-auth: keys must have one key or more' },
    { ...jwt({ keys: [] }), reason: 'jwt-auth: keys must have one key or more' },
    ...['', 'a secret of less than 32 bytes!'].map((secret) => ({
      ...jwt({ keys: [...keys, { algorithm: 'HS256', secret }] }),
      reason: 'jwt-auth: a secret must have 32 bytes or more',
    })),
  ];
  for (const { plugin, options, reason } of rows) {
    const app = close(t, Fastify());
    const register = app.register(plugin as typeof tokenAuth, options as TokenAuthOptions);
    await assert.rejects(Promise.resolve(register), { message: reason });
  }
});

// All that an app of one's own and the two schemes need; nothing of the service's database is there.
const INSTALLED = ['fastify', 'fastify-plugin', '@fastify/auth', '@fastify/error', '@fastify/jwt', '@types/node'];

const page = readFileSync(packagePath('docs/extending.md'), 'utf8');
const section = page.slice(page.indexOf('## The schemes in another app')).split(/^## /m)[1] as string;
const blocksIn = (language: string) =>
  [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code as string);

test('the page on it, word for word, with the package as npm packs it', async (t) => {
  const directory = temporaryDirectory(t);
  const modules = join(directory, 'node_modules');
  for (const name of INSTALLED) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(packagePath(`node_modules/${name}`), join(modules, name), 'junction');
  }
  const npm = ['pack', '--ignore-scripts', '--json', '--pack-destination', directory];
  const options = {
    cwd: packagePath('.'),
    encoding: 'utf8',
    stdio: 'pipe',
    shell: process.platform === 'win32',
  } as const;
  const [{ filename }] = JSON.parse(execFileSync('npm', npm, options));
  execFileSync('tar', ['-xzf', filename], { cwd: directory });
  symlinkSync(join(directory, 'package'), join(modules, 'todo-api'), 'junction');

  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(join(directory, 'app.ts'), blocksIn('ts').join('\n'));
  const compilerOptions = { strict: true, module: 'nodenext', target: 'es2023', types: ['node'] };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }));
  const compiler = [packagePath('node_modules/typescript/bin/tsc'), '--project', directory];
  execFileSync(process.execPath, compiler, { encoding: 'utf8' });

  process.env.SECRET_KEY = SECRET_KEY;
  const { app, makeToken, startSession } = await import(pathToFileURL(join(directory, 'app.js')).href);
  close(t, app);
  await app.ready();
  const statuses = async (authorization: string) => {
    const answers = ['GET', 'POST'].map((method) =>
      app.inject({ method, url: '/invoices', headers: { authorization } }),
    );
    return (await Promise.all(answers)).map(({ statusCode, body }) => (statusCode === 200 ? body : statusCode));
  };
  assert.deepEqual(await statuses(`Bearer ${startSession('Ada', 7)}`), ['["of Ada"]', '["of Ada"]']);
  assert.deepEqual(await statuses(`Token ${makeToken('Ada', null)}`), ['["of Ada"]', '["of Ada"]']);
  assert.deepEqual(await statuses(`Token ${makeToken('Ada', ['invoice:read'])}`), ['["of Ada"]', 403]);
  assert.deepEqual(await statuses(`Token ${makeToken('Ada', [])}`), [403, 403]);
  assert.deepEqual(await statuses(`Bearer ${forge(claims)}`), [401, 401]);

  const { statusCode, statusMessage, headers, body } = await app.inject('/invoices');
  const shown = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (const challenge of headers['www-authenticate']) shown.push(`www-authenticate: ${challenge}`);
  shown.push(`content-type: ${headers['content-type']}`, '', body, '');
  assert.deepEqual(blocksIn('http'), [shown.join('\n')]);
});
