import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import audit from '../../plugins/audit.ts';
import auth from '../../plugins/auth.ts';
import cors from '../../plugins/cors.ts';
import errors from '../../plugins/errors.ts';
import prisma from '../../plugins/prisma.ts';
import requestId from '../../plugins/request-id.ts';
import securityHeaders from '../../plugins/security-headers.ts';
import shutdown from '../../plugins/shutdown.ts';
import { digestApiToken } from '../../src/api-token-keys.ts';
import { endApiToken, obtainApiToken } from '../../src/api-tokens.ts';
import { addUser, SECRET_KEY } from '../helper.ts';
import { serve } from './helper-app.ts';

const NOT_PROVIDED = 'Authentication credentials were not provided.';
const EMPTY = 'Invalid token header. No credentials provided.';
const SPACED = 'Invalid token header. Token string should not contain spaces.';
const NOT_TEXT = 'Invalid token header. Token string should not contain invalid characters.';
const INVALID = 'Invalid token.';
const INACTIVE = 'User inactive or deleted.';

test('API tokens alone', async (t) => {
  const service = await serve(t, [requestId, securityHeaders, shutdown, cors, audit, errors, prisma, auth], (app) => {
    app.get('/', { onRequest: app.verifyApiToken }, async ({ user }) => user);
    const config = { scope: 'todo:write' } as const;
    app.get('/scoped', { onRequest: app.verifyApiToken, config }, async ({ user }) => user);
  });
  const db = service.app.prisma;
  const makeToken = async (username: string, isSuperuser = false) => {
    const { id } = await addUser(service, username, { isSuperuser });
    return { id, key: (await obtainApiToken(db, [SECRET_KEY], { id })) as string };
  };
  const paul = await makeToken('paul');
  const root = await makeToken('root', true);
  const inactive = await makeToken('inactive');
  await db.user.update({ where: { id: inactive.id }, data: { isActive: false } });
  const deleted = await makeToken('deleted');
  await db.user.delete({ where: { id: deleted.id } });
  const renewed = await makeToken('renewed');
  await endApiToken(db, renewed.id);
  const { key } = paul;

  const accepted: [string, string][] = [
    ['as written', `Token ${key}`],
    ['lower case', `token ${key}`],
    ['upper case', `TOKEN ${key}`],
    ['mixed case', `tOkEn ${key}`],
    ['several spaces', `Token    ${key}`],
    ['a tab', `Token\t${key}`],
    ['tabs and spaces around', ` \tToken \t ${key}\t `],
  ];
  for (const [what, authorization] of accepted) {
    await t.test(`accepted: ${what}`, async () => {
      const answer = await service.send('GET', '/', { authorization });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual([answer.body.id, answer.body.isSuperuser], [paul.id, false]);
      assert.equal(answer.headers['www-authenticate'], undefined);
    });
  }

  await t.test('the user is the one of the token', async () => {
    const answer = await service.send('GET', '/', { authorization: `Token ${root.key}` });
    assert.deepEqual([answer.body.id, answer.body.isSuperuser], [root.id, true]);
  });

  const refused: [string, string | undefined, string][] = [
    ['nothing', undefined, NOT_PROVIDED],
    ['an empty header', '', NOT_PROVIDED],
    ['another scheme', 'Basic cGF1bDp4', NOT_PROVIDED],
    ['a JWT, whose scheme this route does not have', `Bearer ${key}`, NOT_PROVIDED],
    ['a bare key', key, NOT_PROVIDED],
    ['a longer keyword', `Tokens ${key}`, NOT_PROVIDED],
    ['a colon after the keyword', `Token: ${key}`, NOT_PROVIDED],
    ['a quoted header', `"Token ${key}"`, NOT_PROVIDED],
    ['a no-break space after the keyword', `Token\xa0${key}`, NOT_PROVIDED],
    ['the keyword alone', 'Token', EMPTY],
    ['the keyword and spaces', 'Token   ', EMPTY],
    ['two words', 'Token a b', SPACED],
    ['two words by a tab', 'Token a\tb', SPACED],
    ['a good key and another word', `Token ${key} x`, SPACED],
    ['a good key twice', `Token ${key} ${key}`, SPACED],
    ['an unknown key', `Token ${'f'.repeat(40)}`, INVALID],
    ['a key in upper case', `Token ${key.toUpperCase()}`, INVALID],
    ['a key cut short', `Token ${key.slice(0, 39)}`, INVALID],
    ['a key and more', `Token ${key}0`, INVALID],
    ['a key and a comma', `Token ${key},`, INVALID],
    ['a key in quotes', `Token "${key}"`, INVALID],
    ['a pattern', 'Token %', INVALID],
    ['SQL', "Token 'OR'1'='1", INVALID],
    ['a digest', `Token ${'0'.repeat(64)}`, INVALID],
    ['a huge key', `Token ${'a'.repeat(8000)}`, INVALID],
    ['UTF-8', `Token ${Buffer.from('é🎉').toString('latin1')}`, INVALID],
    ['bytes that are no UTF-8', 'Token \xff\xfe', NOT_TEXT],
    ['a no-break space within', 'Token a\xa0b', NOT_TEXT],
    ["an inactive user's", `Token ${inactive.key}`, INACTIVE],
    ["a deleted user's", `Token ${deleted.key}`, INVALID],
    ['one that was ended', `Token ${renewed.key}`, INVALID],
  ];
  for (const [what, authorization, detail] of refused) {
    await t.test(`refused: ${what}`, async () => {
      const answer = await service.send('GET', '/', authorization === undefined ? {} : { headers: { authorization } });
      assert.equal(answer.status, 401, answer.text);
      assert.deepEqual(answer.body, { detail });
      assert.equal(answer.headers['www-authenticate'], 'Token');
    });
  }

  await t.test('scopes are minded, where the scheme is used alone too', async () => {
    const digests = ['todo:read', 'todo:write'].map((scopes) => ({ scopes, key: randomBytes(20).toString('hex') }));
    for (const { scopes, key } of digests) {
      await db.apiToken.create({ data: { userId: paul.id, name: scopes, scopes, digest: digestApiToken(key) } });
    }
    const statuses = [];
    for (const path of ['/', '/scoped']) {
      for (const { key } of digests)
        statuses.push((await service.send('GET', path, { authorization: `Token ${key}` })).status);
    }
    assert.deepEqual(statuses, [403, 403, 403, 200]);
  });
  await t.test('an activated user is let in again', async () => {
    await db.user.update({ where: { id: inactive.id }, data: { isActive: true } });
    const answer = await service.send('GET', '/', { authorization: `Token ${inactive.key}` });
    assert.equal(answer.status, 200);
  });
});
