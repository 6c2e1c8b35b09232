import assert from 'node:assert/strict';
import { test } from 'node:test';
import { obtainApiToken } from '../../src/api-tokens.ts';
import { startSession } from '../../src/sessions.ts';
import {
  addUser,
  build,
  type Credentials,
  logIn,
  makeDatabase,
  PASSWORD,
  PASSWORD_HASH,
  type TestApp,
  temporaryDirectory,
} from '../helper.ts';
import { makeKeyFile } from './helper-jwt-keys.ts';

interface Change {
  what: string;
  before: Record<string, string>;
  /** the former key is listed still */
  after: Record<string, string>;
  /** and no longer */
  later: Record<string, string>;
  /** whether the API tokens change with it */
  isOfSecret?: true;
}

const [OLD, NEW, OTHER] = ['old', 'new', 'other'].map((age) => `the ${age} secret of more than thirty-two bytes`);

const secret = (key = '', ...fallbacks: (string | undefined)[]) => ({
  SECRET_KEY: key,
  SECRET_KEY_FALLBACKS: fallbacks.join(),
});
const files = (...paths: string[]) => ({ JWT_KEY_FILES: paths.join() });

/** How a login fares: its access token, at verify, at refresh, and its API token. */
async function statusesOf({ send }: TestApp, { access, refresh, token }: Credentials): Promise<number[]> {
  const answers = [
    await send('GET', '/api/v1/todo/', { authorization: `Bearer ${access}` }),
    await send('POST', '/api/jwt/token/verify/', { json: { token: refresh } }),
    await send('POST', '/api/jwt/token/refresh/', { json: { refresh } }),
    await send('GET', '/api/v1/todo/', { authorization: `Token ${token}` }),
  ];
  return answers.map(({ status }) => status);
}

/** What a login gives, without the cost of its hashes. */
async function begin({ app: { prisma, jwtCodec, config } }: TestApp, { id }: { id: number }): Promise<Credentials> {
  const login = { id, password: PASSWORD_HASH, isActive: true as const };
  const token = await obtainApiToken(prisma, [config.SECRET_KEY], login);
  const pair = await startSession(prisma, jwtCodec, { access: 300, refresh: 86_400 }, login);
  return { token, ...pair } as Credentials;
}

test('a login outlives a change of keys while the former is listed', async (t) => {
  const directory = temporaryDirectory(t);
  const [rsa, newRsa] = [makeKeyFile(directory, 'RS256'), makeKeyFile(directory, 'RS256')];
  const [ec, ed] = [makeKeyFile(directory, 'ES256'), makeKeyFile(directory, 'EdDSA')];
  const changes: Change[] = [
    { what: 'secret', before: secret(OLD), after: secret(NEW, OLD), later: secret(NEW), isOfSecret: true },
    {
      what: 'secret, twice',
      before: secret(OLD),
      after: secret(NEW, OTHER, OLD),
      later: secret(NEW, OTHER),
      isOfSecret: true,
    },
    { what: 'key', before: files(rsa.path), after: files(newRsa.path, rsa.path), later: files(newRsa.path) },
    { what: 'type of key', before: files(ec.path), after: files(ed.path, ec.path), later: files(ed.path) },
    {
      what: 'key, of which the public half was kept',
      before: files(rsa.path),
      after: files(ec.path, rsa.publicPath),
      later: files(ec.path),
    },
    {
      what: 'secret to key file',
      before: secret(OLD),
      after: { ...secret(OLD, OLD), ...files(rsa.path) },
      later: { ...secret(OLD), ...files(rsa.path) },
    },
    {
      what: 'secret to key file, and secret',
      before: secret(OLD),
      after: { ...secret(NEW, OLD), ...files(ed.path) },
      later: { ...secret(NEW), ...files(ed.path) },
      isOfSecret: true,
    },
  ];
  const database = await makeDatabase(t);
  const services = new Map<string, Promise<TestApp>>();
  /** One app for all who have these settings. */
  const serve = (settings: Record<string, string>) => {
    const name = JSON.stringify(settings);
    const service = services.get(name) ?? build(t, { ...database, ...settings });
    services.set(name, service);
    return service;
  };
  for (const { what, before, after, later, isOfSecret } of changes) {
    await t.test(what, async (t) => {
      const logins: Credentials[] = [];
      await t.test('before', async () => {
        const service = await serve(before);
        logins.push(await begin(service, await addUser(service, what)));
      });
      await t.test('after', async () => {
        const service = await serve(after);
        const [former] = logins as [Credentials];
        assert.deepEqual(await statusesOf(service, former), [200, 200, 200, 200]);
        const login = await logIn(service, what);
        assert.equal(login.token, former.token);
        logins.push(login);
      });
      await t.test('later', async () => {
        const service = await serve(later);
        const [former, latter] = logins as [Credentials, Credentials];
        assert.deepEqual(await statusesOf(service, former), [401, 401, 401, 200]);
        assert.deepEqual(await statusesOf(service, latter), [200, 200, 200, 200]);
        const json = { username: what, password: PASSWORD };
        const { token } = (await service.send('POST', '/api/token', { json })).body;
        assert.equal(token !== former.token, isOfSecret === true);
        assert.equal((await statusesOf(service, former))[3], isOfSecret ? 401 : 200);
      });
    });
  }
});
