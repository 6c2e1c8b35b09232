import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { addUser, build, enter } from '../helper.ts';

const JWT_REFUSED = {
  detail: 'Given token not valid for any token type',
  code: 'token_not_valid',
  messages: [{ token_class: 'AccessToken', token_type: 'access', message: 'Token is invalid or expired' }],
};
const TOKEN_REFUSED = { detail: 'Invalid token.' };

const works: [method: string, path: string, body: object, more?: Record<string, string>][] = [
  ['POST', '/api/v1/todo/', { title: 'x' }],
  ['POST', '/api/v1/todo/create/', { title: 'x' }],
  ['POST', '/api/v1/todo/', { title: 'x' }, { 'idempotency-key': 'a' }],
  ['POST', '/api/v1/tokens/', { name: 'x' }],
  ['PATCH', '/api/v1/users/me/', { email: 'a@b.c' }],
  ['POST', '/api/v1/users/me/password/', { current_password: 'x', new_password: 'y' }],
];

test('a user who is deleted while their request is under way is refused as a deleted user', async (t) => {
  const service = await build(t);
  for (const [method, path, body, more] of works) {
    for (const scheme of ['Token', 'Bearer']) {
      await t.test(`${scheme}: ${method} ${path} ${Object.keys(more ?? {})}`, async () => {
        const { id } = await addUser(service, 'paul');
        const { token, access } = await enter(service, id);
        const answer = new Promise<{ status?: number | undefined; challenges: unknown; text: string }>(
          (resolve, reject) => {
            const authorization = `${scheme} ${scheme === 'Token' ? token : access}`;
            const headers = { authorization, 'content-type': 'application/json', ...more };
            const outgoing = request(`${service.origin}${path}`, { method, headers }, async (incoming) => {
              const { statusCode: status, headers } = incoming;
              resolve({ status, challenges: headers['www-authenticate'], text: await text(incoming) });
            });
            outgoing.on('error', reject);
            outgoing.write(' ');
            // Credentials are verified before the body is read.
            sleep(100)
              .then(() => service.app.prisma.user.delete({ where: { id } }))
              .then(() => outgoing.end(JSON.stringify(body)), reject);
          },
        );
        const { status, challenges, text: received } = await answer;
        assert.equal(status, 401, received);
        assert.equal(challenges, 'Token, Bearer realm="api"');
        assert.deepEqual(JSON.parse(received), scheme === 'Token' ? TOKEN_REFUSED : JWT_REFUSED);
        assert.equal(await service.app.prisma.todo.count(), 0);
      });
    }
  }
});
