import assert from 'node:assert/strict';
import { test } from 'node:test';
import cors from '../../plugins/cors.ts';
import credentials from '../../plugins/credentials.ts';
import errors from '../../plugins/errors.ts';
import jwtAuth from '../../plugins/jwt-auth.ts';
import prisma from '../../plugins/prisma.ts';
import requestId from '../../plugins/request-id.ts';
import securityHeaders from '../../plugins/security-headers.ts';
import shutdown from '../../plugins/shutdown.ts';
import { endSession, startSession } from '../../src/sessions.ts';
import { addUser } from '../helper.ts';
import { serve } from './helper-app.ts';
import { claimsOf, forge, forgeries } from './helper-jwt.ts';

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

test('JWTs alone', async (t) => {
  const service = await serve(
    t,
    [requestId, securityHeaders, shutdown, cors, errors, prisma, credentials, jwtAuth],
    (app) => app.get('/', { onRequest: app.verifyJwt }, async ({ user }) => user),
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
  const service = await serve(
    t,
    [requestId, securityHeaders, shutdown, cors, errors, prisma, credentials, jwtAuth],
    (app) => app.get('/', { onRequest: app.verifyJwt }, async () => ({})),
  );
  const { prisma: db, jwtCodec } = service.app;
  const { id } = await addUser(service, 'paul');
  const { password } = await db.user.findUniqueOrThrow({ where: { id } });
  const pair = await startSession(db, jwtCodec, { access: 9, refresh: 9 }, { id, password, isActive: true });
  const authorization = `Bearer ${pair?.access}`;
  assert.equal((await service.send('GET', '/', { authorization })).status, 200);
  await endSession(db, jwtCodec, pair?.refresh as string);
  assert.equal((await service.send('GET', '/', { authorization })).status, 401);
});
