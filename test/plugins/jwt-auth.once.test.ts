import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { after, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import audit from '../../plugins/audit.ts';
import auth from '../../plugins/auth.ts';
import cors from '../../plugins/cors.ts';
import errors from '../../plugins/errors.ts';
import prisma from '../../plugins/prisma.ts';
import requestId from '../../plugins/request-id.ts';
import securityHeaders from '../../plugins/security-headers.ts';
import shutdown from '../../plugins/shutdown.ts';
import type { Claims } from '../../src/jwt-codec.ts';
import { endSession, startSession } from '../../src/sessions.ts';
import { addUser, SECRET_KEY, type TestApp, temporaryDirectory } from '../helper.ts';
import { serve } from './helper-app.ts';
import { claimsOf, forge, forgeries } from './helper-jwt.ts';
import {
  ALGORITHMS,
  type Algorithm,
  assemble,
  byHmac,
  forgeBy,
  headerOf,
  keyForgeries,
  makeKeyFile,
  publish,
} from './helper-jwt-keys.ts';

const PLUGINS = [requestId, securityHeaders, shutdown, cors, audit, errors, prisma, auth];

const CHALLENGE = 'Bearer realm="api"';
const NOT_PROVIDED = { detail: 'Authentication credentials were not provided.' };
const BAD_HEADER = {
  detail: 'Authorization header must contain two space-delimited values',
  code: 'bad_authorization_header',
};
const refusedFor = (message: string) => ({
  detail: 'Given token not valid for any token type',
  code: 'token_not_valid',
  messages: [{ token_class: 'AccessToken', token_type: 'access', message }],
});
const INVALID = refusedFor('Token is invalid or expired');
const WRONG_TYPE = refusedFor('Token has wrong type');
const INACTIVE = { detail: 'User is inactive', code: 'user_inactive' };

const directory = temporaryDirectory({ after });
const makeThree = (algorithm: Algorithm) => {
  const make = () => makeKeyFile(directory, algorithm);
  return [make(), make(), make()] as const;
};
// Once for all tests, as RSA is dear to make.
const keyFiles = { RS256: makeThree('RS256'), ES256: makeThree('ES256'), EdDSA: makeThree('EdDSA') };

test('JWTs alone', async (t) => {
  const service = await serve(t, PLUGINS, (app) =>
    app.get('/', { onRequest: app.verifyJwt }, async ({ user }) => user),
  );
  const { prisma: db, jwtCodec } = service.app;
  const begin = async (id: number) => {
    const { password } = await db.user.findUniqueOrThrow({ where: { id } });
    const lifetimes = { access: 300, refresh: 86400 };
    const pair = await startSession(db, jwtCodec, lifetimes, { id, password, isActive: true });
    return pair as { access: string; refresh: string };
  };
  const paul = await addUser(service, 'paul', { isSuperuser: true });
  const { access, refresh } = await begin(paul.id);
  const claims = claimsOf(access);
  const ended = await begin(paul.id);
  await endSession(db, jwtCodec, ended.refresh);
  const inactive = await addUser(service, 'inactive');
  const ofInactive = await begin(inactive.id);
  const endedOfInactive = await begin(inactive.id);
  await endSession(db, jwtCodec, endedOfInactive.refresh);
  await db.user.update({ where: { id: inactive.id }, data: { isActive: false } });
  const deleted = await addUser(service, 'deleted');
  const ofDeleted = await begin(deleted.id);
  await db.user.delete({ where: { id: deleted.id } });

  const accepted: [string, string][] = [
    ['as signed', `Bearer ${access}`],
    ['several spaces', `Bearer   ${access}`],
    ['tabs and spaces', `Bearer \t ${access}\t `],
    ['signed by another service with the same secret', `Bearer ${forge(claims)}`],
    ['without iat', `Bearer ${forge({ ...claims, iat: undefined })}`],
    ['exp with a fraction', `Bearer ${forge({ ...claims, exp: claims.exp + 0.5 })}`],
    ['exp far away', `Bearer ${forge({ ...claims, exp: 1e15 })}`],
    ['unknown claims', `Bearer ${forge({ ...claims, aud: 'x', role: 'admin', __proto__: null })}`],
    ['a kid, which says nothing', `Bearer ${forge(claims, { header: { kid: '../../key' } })}`],
    ['a jku, which is not asked', `Bearer ${forge(claims, { header: { jku: 'http://127.0.0.1:9/keys' } })}`],
    ['no typ', `Bearer ${forge(claims, { header: { typ: undefined } })}`],
  ];
  for (const [what, authorization] of accepted) {
    await t.test(`accepted: ${what}`, async () => {
      const answer = await service.send('GET', '/', { authorization });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual([answer.body.id, answer.body.isSuperuser], [paul.id, true]);
      assert.equal(answer.headers['www-authenticate'], undefined);
    });
  }

  const refused: [string, string | undefined, object][] = [
    ['nothing', undefined, NOT_PROVIDED],
    ['an empty header', '', NOT_PROVIDED],
    ['another scheme', 'Basic cGF1bDp4', NOT_PROVIDED],
    ['an API token, whose scheme this route does not have', `Token ${'f'.repeat(40)}`, NOT_PROVIDED],
    ['bearer in lower case', `bearer ${access}`, NOT_PROVIDED],
    ['BEARER in upper case', `BEARER ${access}`, NOT_PROVIDED],
    ['a bare token', access, NOT_PROVIDED],
    ['JWT as the keyword', `JWT ${access}`, NOT_PROVIDED],
    ['a no-break space after the keyword', `Bearer\xa0${access}`, NOT_PROVIDED],
    ['the keyword alone', 'Bearer', BAD_HEADER],
    ['the keyword and spaces', 'Bearer  \t', BAD_HEADER],
    ['two words', 'Bearer a b', BAD_HEADER],
    ['a good token and another word', `Bearer ${access} x`, BAD_HEADER],
    ['a no-break space within', `Bearer ${access}\xa0x`, INVALID],
    ['quotes', `Bearer "${access}"`, INVALID],
    ['a comma', `Bearer ${access},`, INVALID],
    ['bytes that are no UTF-8', 'Bearer \xff\xfe', INVALID],
    ['a huge token', `Bearer ${'a'.repeat(12_000)}`, INVALID],
    ['a huge token with dots', `Bearer ${'a.'.repeat(6000)}`, INVALID],
    ...forgeries(access).map(({ what, token }): [string, string, object] => [what, `Bearer ${token}`, INVALID]),
    ['a refresh token', `Bearer ${refresh}`, WRONG_TYPE],
    ['another type', `Bearer ${forge({ ...claims, token_type: 'sliding' })}`, WRONG_TYPE],
    ['a type in upper case', `Bearer ${forge({ ...claims, token_type: 'ACCESS' })}`, WRONG_TYPE],
    ['a type in an array', `Bearer ${forge({ ...claims, token_type: ['access'] })}`, WRONG_TYPE],
    ['no type', `Bearer ${forge({ ...claims, token_type: undefined })}`, WRONG_TYPE],
    ['an expired refresh token: expiry first', `Bearer ${forge({ ...claimsOf(refresh), exp: 1 })}`, INVALID],
    ['a refresh token of an ended session: type first', `Bearer ${ended.refresh}`, WRONG_TYPE],
    ['an ended session', `Bearer ${ended.access}`, INVALID],
    ['an unknown session', `Bearer ${forge({ ...claims, sid: 'f'.repeat(32) })}`, INVALID],
    ["another user's session", `Bearer ${forge({ ...claims, user_id: inactive.id })}`, INVALID],
    ['a user_id beyond 64 bits', `Bearer ${forge({ ...claims, user_id: 2 ** 70 })}`, INVALID],
    ['the greatest user_id', `Bearer ${forge({ ...claims, user_id: Number.MAX_SAFE_INTEGER })}`, INVALID],
    ['an inactive user', `Bearer ${ofInactive.access}`, INACTIVE],
    ['an ended session of an inactive user: session first', `Bearer ${endedOfInactive.access}`, INVALID],
    ['a deleted user', `Bearer ${ofDeleted.access}`, INVALID],
  ];
  for (const [what, authorization, body] of refused) {
    await t.test(`refused: ${what}`, async () => {
      const answer = await service.send('GET', '/', authorization === undefined ? {} : { headers: { authorization } });
      assert.equal(answer.status, 401, answer.text);
      assert.deepEqual(answer.body, body);
      assert.equal(answer.headers['www-authenticate'], CHALLENGE);
    });
  }

  await t.test('an activated user is let in again', async () => {
    await db.user.update({ where: { id: inactive.id }, data: { isActive: true } });
    const answer = await service.send('GET', '/', { authorization: `Bearer ${ofInactive.access}` });
    assert.equal(answer.status, 200);
  });
});

test('an access token does not outlive its session, though it has not expired', async (t) => {
  const service = await serve(t, PLUGINS, (app) => app.get('/', { onRequest: app.verifyJwt }, async () => ({})));
  const { prisma: db, jwtCodec } = service.app;
  const { id } = await addUser(service, 'paul');
  const { password } = await db.user.findUniqueOrThrow({ where: { id } });
  const pair = await startSession(db, jwtCodec, { access: 9, refresh: 9 }, { id, password, isActive: true });
  const authorization = `Bearer ${pair?.access}`;
  assert.equal((await service.send('GET', '/', { authorization })).status, 200);
  await endSession(db, jwtCodec, pair?.refresh as string);
  assert.equal((await service.send('GET', '/', { authorization })).status, 401);
});

const FALLBACK = 'a former secret of more than thirty-two bytes';

const showUser = (app: FastifyInstance) => app.get('/', { onRequest: app.verifyJwt }, async ({ user }) => user);

async function beginSession(service: TestApp) {
  const { prisma: db, jwtCodec } = service.app;
  const { id } = await addUser(service, 'paul');
  const { password } = await db.user.findUniqueOrThrow({ where: { id } });
  const pair = await startSession(db, jwtCodec, { access: 300, refresh: 86400 }, { id, password, isActive: true });
  return pair as { access: string; refresh: string };
}

for (const algorithm of ALGORITHMS) {
  test(`JWTs by ${algorithm}`, async (t) => {
    const [own, listed, stranger] = keyFiles[algorithm];
    const others = ALGORITHMS.filter((name) => name !== algorithm).map((name) => keyFiles[name][0]);
    const keyServer = await publish(t, stranger);
    const service = await serve(t, PLUGINS, showUser, {
      JWT_KEY_FILES: [own, listed, ...others].map(({ path }) => path).join(),
      SECRET_KEY_FALLBACKS: FALLBACK,
    });
    const { access, refresh } = await beginSession(service);
    const claims = claimsOf(access);
    const ask = (token: string) => service.send('GET', '/', { authorization: `Bearer ${token}` });

    await t.test('are signed by the first key, which the header names', () => {
      for (const token of [access, refresh]) {
        const [header = '', payload, signature = ''] = token.split('.');
        assert.deepEqual(headerOf(token), { alg: algorithm, typ: 'JWT', kid: own.kid });
        const key = { key: own.publicKey, dsaEncoding: 'ieee-p1363' as const };
        const signed = Buffer.from(`${header}.${payload}`);
        const hash = algorithm === 'EdDSA' ? null : 'sha256';
        assert.ok(verify(hash, signed, key, Buffer.from(signature, 'base64url')));
      }
    });

    const accepted: [string, string][] = [
      ['as signed', access],
      ['signed by another who has the key', forgeBy(own, claims)],
      ['by a key that signs no more', forgeBy(listed, claims)],
      ...others.map((other): [string, string] => [`by a key for ${other.algorithm}`, forgeBy(other, claims)]),
      ['by a former SECRET_KEY', forge(claims, { secret: FALLBACK })],
      ['by a former SECRET_KEY, with a kid of its own', forge(claims, { secret: FALLBACK, header: { kid: 'x' } })],
      ['without typ', forgeBy(own, claims, { typ: undefined })],
      [
        'a jku and a jwk, which are not asked',
        forgeBy(own, claims, { jku: keyServer.url, jwk: { kty: 'oct', k: '' } }),
      ],
    ];
    for (const [what, token] of accepted) {
      await t.test(`accepted: ${what}`, async () => {
        const answer = await ask(token);
        assert.deepEqual([answer.status, answer.body.id], [200, claims.user_id], answer.text);
      });
    }
    const keys = { own, listed, stranger, fallback: FALLBACK, secretKey: SECRET_KEY, url: keyServer.url };
    for (const { what, token } of [...keyForgeries(access, keys), ...forgeries(forge(claims))]) {
      await t.test(`refused: ${what}`, async () => {
        const answer = await ask(token);
        assert.deepEqual([answer.status, answer.body], [401, INVALID]);
      });
    }
    await t.test('no key is fetched from anywhere', () => assert.equal(keyServer.requests(), 0));
    await t.test('the log names the key in use, and holds none', () => {
      const lines = service.logs.filter(({ event }) => event === 'key.in_use');
      assert.deepEqual(
        lines.map(({ msg, level, algorithm, kid, fallbacks }) => ({ msg, level, algorithm, kid, fallbacks })),
        [{ msg: 'security', level: 30, algorithm, kid: own.kid, fallbacks: 4 }],
      );
      const { d } = own.privateKey.export({ format: 'jwk' });
      const log = JSON.stringify(service.logs);
      for (const secret of [SECRET_KEY, FALLBACK, d as string, 'PRIVATE']) assert.ok(!log.includes(secret));
    });
  });
}

test('JWTs by a secret name no key, and those of former secrets stay good', async (t) => {
  const former = [FALLBACK, `before ${FALLBACK}`];
  const service = await serve(t, PLUGINS, showUser, { SECRET_KEY_FALLBACKS: former.join() });
  const { access } = await beginSession(service);
  const claims = claimsOf(access);
  assert.equal(access.split('.')[0], Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url'));
  const [line] = service.logs.filter(({ event }) => event === 'key.in_use');
  assert.deepEqual([line.algorithm, 'kid' in line, line.fallbacks], ['HS256', false, 2]);

  const tokens: [string, string, number][] = [
    ['of the present secret', access, 200],
    ...former.map((secret, age): [string, string, number] => [`of secret ${age}`, forge(claims, { secret }), 200]),
    ['of no secret', forge(claims, { secret: `never ${FALLBACK}` }), 401],
    ['of a former one, expired', forge({ ...claims, exp: 1 }, { secret: FALLBACK }), 401],
    ['of a former one, by HS512', forge(claims, { secret: FALLBACK, hash: 'sha512', header: { alg: 'HS512' } }), 401],
    ['of a former one, alg none', forge(claims, { secret: FALLBACK, header: { alg: 'none' } }), 401],
    ['of all secrets in one', forge(claims, { secret: former.join() }), 401],
  ];
  for (const [what, token, status] of tokens) {
    const answer = await service.send('GET', '/', { authorization: `Bearer ${token}` });
    assert.equal(answer.status, status, what);
  }
});

test('of a claim or a header that stands twice the last counts', async (t) => {
  const [key] = keyFiles.EdDSA;
  const service = await serve(t, PLUGINS, showUser, { JWT_KEY_FILES: key.path });
  const claims = claimsOf((await beginSession(service)).access);
  const text = JSON.stringify(claims);
  const first = (more: string) => `{${more},${text.slice(1)}`;
  const last = (more: string) => `${text.slice(0, -1)},${more}}`;
  const tokens: [string, string, number][] = [
    ['a good exp last', first('"exp":1'), 200],
    ['a past exp last', last('"exp":1'), 401],
    ['the own user_id last', first('"user_id":999'), 200],
    ["another's user_id last", last('"user_id":999'), 401],
    ['the right type last', first('"token_type":"refresh"'), 200],
    ['the wrong type last', last('"token_type":"refresh"'), 401],
    ['a claim of another name by escapes', last('"\\u0065xp":1'), 401],
    ['__proto__ with claims', last('"__proto__":{"user_id":999}'), 200],
  ];
  for (const [what, payload, status] of tokens) {
    const answer = await service.send('GET', '/', { authorization: `Bearer ${forgeBy(key, payload)}` });
    assert.equal(answer.status, status, what);
    if (status === 200) assert.equal(answer.body.id, claims.user_id);
  }
  const sign = byHmac(SECRET_KEY);
  for (const header of [`{"alg":"EdDSA","kid":"${key.kid}","alg":"HS256"}`, `{"kid":"x","alg":"HS256"}`]) {
    const authorization = `Bearer ${assemble(header, claims, sign)}`;
    assert.equal((await service.send('GET', '/', { authorization })).status, 401, header);
  }
});

const ISSUER = 'https://todo.example.com';
const AUDIENCE = 'todo-clients';

for (const algorithm of ['HS256', ...ALGORITHMS] as const) {
  test(`JWTs by ${algorithm} of an issuer and for an audience`, async (t) => {
    const key = algorithm === 'HS256' ? undefined : keyFiles[algorithm][0];
    const service = await serve(t, PLUGINS, showUser, {
      ...(key && { JWT_KEY_FILES: key.path }),
      SECRET_KEY_FALLBACKS: FALLBACK,
      JWT_ISSUER: ISSUER,
      JWT_AUDIENCE: AUDIENCE,
    });
    const { access } = await beginSession(service);
    const { iss, aud, ...claims } = claimsOf(access) as Claims & { iss: string; aud: string };
    assert.deepEqual([iss, aud], [ISSUER, AUDIENCE]);

    const good = { iss, aud };
    const named: [string, object, number][] = [
      ['as signed', good, 200],
      ['several audiences', { iss, aud: ['others', aud] }, 200],
      ['no issuer', { aud }, 401],
      ['no audience', { iss }, 401],
      ['neither', {}, 401],
      ['another issuer', { iss: 'https://evil.example.com', aud }, 401],
      ['an issuer that begins like it', { iss: `${iss}.evil.example.com`, aud }, 401],
      ['an issuer that ends like it', { iss: `https://evil.example.com/${iss}`, aud }, 401],
      ['the issuer with a slash', { iss: `${iss}/`, aud }, 401],
      ['the issuer in upper case', { iss: iss.toUpperCase(), aud }, 401],
      ['the issuer in an array', { iss: [iss], aud }, 401],
      ['an issuer of a pattern', { iss: '.*', aud }, 401],
      ['null', { iss: null, aud: null }, 401],
      ['another audience', { iss, aud: 'others' }, 401],
      ['an empty audience', { iss, aud: '' }, 401],
      ['no audience in an array', { iss, aud: [] }, 401],
      ['other audiences', { iss, aud: ['others', 'more'] }, 401],
      ['the audience beside a number', { iss, aud: [aud, 5] }, 401],
      ['the audience in an array in an array', { iss, aud: [[aud]] }, 401],
      ['an audience that is an object', { iss, aud: { [aud]: aud } }, 401],
      ['issuer and audience exchanged', { iss: aud, aud: iss }, 401],
    ];
    const makers = [(payload: object) => (key ? forgeBy(key, payload) : forge(payload))];
    makers.push((payload) => forge(payload, { secret: FALLBACK }));
    for (const [what, names, status] of named) {
      for (const [index, make] of makers.entries()) {
        await t.test(`${status}: ${what}${index ? ', by a former secret' : ''}`, async () => {
          const authorization = `Bearer ${make({ ...claims, ...names })}`;
          assert.equal((await service.send('GET', '/', { authorization })).status, status);
        });
      }
    }
  });
}
