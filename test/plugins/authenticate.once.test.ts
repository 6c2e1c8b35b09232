import assert from 'node:assert/strict';
import { test } from 'node:test';
import fp from 'fastify-plugin';
import audit from '../../plugins/audit.ts';
import auth from '../../plugins/auth.ts';
import cors from '../../plugins/cors.ts';
import errors from '../../plugins/errors.ts';
import prisma from '../../plugins/prisma.ts';
import requestId from '../../plugins/request-id.ts';
import securityHeaders from '../../plugins/security-headers.ts';
import shutdown from '../../plugins/shutdown.ts';
import { obtainApiToken } from '../../src/api-tokens.ts';
import { startSession } from '../../src/sessions.ts';
import { addUser, SECRET_KEY } from '../helper.ts';
import { serve } from './helper-app.ts';
import { forge } from './helper-jwt.ts';

const NOT_PROVIDED = 'Authentication credentials were not provided.';
const JWT_INVALID = 'Given token not valid for any token type';

test('both schemes on a route: the one whose keyword was used speaks', async (t) => {
  const service = await serve(t, [requestId, securityHeaders, shutdown, cors, audit, errors, prisma, auth], (app) => {
    app.get('/', { onRequest: app.authenticate }, async ({ user }) => user);
    app.get('/turned', { onRequest: app.auth([app.verifyJwt, app.verifyApiToken]) }, async ({ user }) => user);
    app.get('/open', async ({ user, challenges }) => ({ user, challenges }));
  });
  const { prisma: db, jwtCodec } = service.app;
  const makeUser = async (username: string) => {
    const { id } = await addUser(service, username);
    const { password } = await db.user.findUniqueOrThrow({ where: { id } });
    const pair = await startSession(db, jwtCodec, { access: 300, refresh: 86400 }, { id, password, isActive: true });
    return { id, token: await obtainApiToken(db, [SECRET_KEY], { id }), ...pair };
  };
  const paul = await makeUser('paul');
  const inactive = await makeUser('inactive');
  await db.user.update({ where: { id: inactive.id }, data: { isActive: false } });

  const rows: [string | undefined, string | null][] = [
    [`Token ${paul.token}`, null],
    [`token ${paul.token}`, null],
    [`Bearer ${paul.access}`, null],
    [undefined, NOT_PROVIDED],
    ['', NOT_PROVIDED],
    ['Basic cGF1bDp4', NOT_PROVIDED],
    [`bearer ${paul.access}`, NOT_PROVIDED],
    [`Negotiate ${paul.token}`, NOT_PROVIDED],
    ['Token', 'Invalid token header. No credentials provided.'],
    ['Token a b', 'Invalid token header. Token string should not contain spaces.'],
    ['Token x', 'Invalid token.'],
    [`Token ${paul.access}`, 'Invalid token.'],
    [`Token ${inactive.token}`, 'User inactive or deleted.'],
    ['Bearer', 'Authorization header must contain two space-delimited values'],
    ['Bearer a b', 'Authorization header must contain two space-delimited values'],
    ['Bearer x', JWT_INVALID],
    [`Bearer ${paul.token}`, JWT_INVALID],
    [`Bearer ${paul.refresh}`, JWT_INVALID],
    [`Bearer ${inactive.access}`, 'User is inactive'],
    [`Token Bearer ${paul.access}`, 'Invalid token header. Token string should not contain spaces.'],
    [`Token ${paul.token}, Bearer ${paul.access}`, 'Invalid token header. Token string should not contain spaces.'],
  ];
  const CHALLENGES: Record<string, string> = {
    '/': 'Token, Bearer realm="api"',
    '/turned': 'Bearer realm="api", Token',
  };
  for (const [path, challenges] of Object.entries(CHALLENGES)) {
    for (const [authorization, detail] of rows) {
      await t.test(`${path} ${authorization?.slice(0, 30)}`, async () => {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await service.send('GET', path, { headers });
        if (detail === null) {
          assert.equal(answer.status, 200, answer.text);
          assert.equal(answer.body.id, paul.id);
          assert.equal(answer.headers['www-authenticate'], undefined);
        } else {
          assert.equal(answer.status, 401, answer.text);
          assert.equal(answer.body.detail, detail);
          assert.equal(answer.headers['www-authenticate'], challenges);
        }
      });
    }
  }

  await t.test('each challenge is a header of its own', async () => {
    const { rawHeaders } = await service.app.inject('/').then(({ raw }) => ({ rawHeaders: raw.res.getHeaders() }));
    assert.deepEqual(rawHeaders['www-authenticate'], ['Token', 'Bearer realm="api"']);
  });

  await t.test('a route without a scheme looks at no header', async () => {
    const answer = await service.send('GET', '/open', { authorization: 'Token x' });
    assert.deepEqual(answer.body, { user: null, challenges: null });
  });

  await t.test('one request leaves nothing to the next', async () => {
    await service.send('GET', '/', { authorization: 'Token x' });
    const answer = await service.send('GET', '/');
    assert.equal(answer.body.detail, NOT_PROVIDED);
    assert.equal(answer.headers['www-authenticate'], CHALLENGES['/']);
  });
});

test('a database that fails one scheme is no refusal by the other', async (t) => {
  const fail = async () => {
    throw Object.assign(new Error('busy'), { code: 'SQLITE_BUSY' });
  };
  const database = fp(
    async (fastify) => {
      fastify.decorate('prisma', { apiToken: { findUser: fail }, session: { findUser: fail } } as never);
    },
    { name: 'prisma' },
  );
  const service = await serve(t, [requestId, securityHeaders, shutdown, cors, audit, errors, database, auth], (app) => {
    app.get('/', { onRequest: app.authenticate }, async () => ({}));
    app.get('/turned', { onRequest: app.auth([app.verifyJwt, app.verifyApiToken]) }, async () => ({}));
  });
  const exp = Math.floor(Date.now() / 1000) + 300;
  const claims = { token_type: 'access', exp, jti: 'f'.repeat(32), user_id: 1, sid: 'f'.repeat(32) };
  for (const path of ['/', '/turned']) {
    for (const authorization of [`Token ${'f'.repeat(40)}`, `Bearer ${forge(claims)}`]) {
      const answer = await service.send('GET', path, { authorization });
      assert.equal(answer.status, 503, answer.text);
      assert.equal(answer.headers['www-authenticate'], undefined);
    }
  }
});
