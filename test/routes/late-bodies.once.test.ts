import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, type TestContext, test } from 'node:test';
import { addUser, build, type Credentials, logIn, PASSWORD } from '../helper.ts';
import { claimsOf } from '../plugins/helper-jwt.ts';

/** The headers of a request come, then its credential ends, then its body comes. */
const service = await build({ after: after as TestContext['after'] });
const { prisma } = service.app;
let users = 0;

interface User extends Credentials {
  id: number;
  todo: number;
}

async function makeUser(): Promise<User> {
  const username = `user${++users}`;
  const { id } = await addUser(service, username);
  const { id: todo } = await prisma.todo.create({ data: { ownerId: id, title: 'old', dateCreated: '2026-11-27' } });
  return { id, todo, ...(await logIn(service, username)) };
}

type Row = [method: string, path: (user: User) => string, json: object];
const ROWS: Row[] = [
  ['POST', () => '/api/v1/todo/', { title: 'new' }],
  ['POST', () => '/api/v1/todo/create/', { title: 'new' }],
  ['PUT', ({ todo }) => `/api/v1/todo/${todo}/`, { title: 'new' }],
  ['PATCH', ({ todo }) => `/api/v1/todo/update/${todo}/`, { title: 'new' }],
  ['PATCH', () => '/api/v1/users/me/', { email: 'new@domain.com' }],
  ['DELETE', () => '/api/v1/users/me/', { password: PASSWORD }],
  [
    'POST',
    () => '/api/v1/users/me/password/',
    { current_password: PASSWORD, new_password: 'granite-lantern-heron-84' },
  ],
  ['POST', () => '/api/v1/tokens/', { name: 'new' }],
];

const byToken = ({ token }: User) => `Token ${token}`;
const byJwt = ({ access }: User) => `Bearer ${access}`;
const ENDINGS: [what: string, authorize: (user: User) => string, end: (user: User) => Promise<unknown>][] = [
  ['a token is deleted', byToken, ({ id }) => prisma.apiToken.deleteMany({ where: { userId: id } })],
  [
    'a token is bound to reading',
    byToken,
    ({ id }) => prisma.apiToken.updateMany({ where: { userId: id }, data: { scopes: 'todo:read' } }),
  ],
  ['a session is ended', byJwt, ({ access }) => prisma.session.delete({ where: { id: claimsOf(access).sid } })],
  ['a user is deactivated', byJwt, ({ id }) => prisma.user.update({ where: { id }, data: { isActive: false } })],
];

/** All that a user has. */
const look = ({ id }: User) =>
  prisma.user.findUnique({ where: { id }, include: { todos: true, apiTokens: { omit: { lastUsedAt: true } } } });

for (const [what, authorize, end] of ENDINGS) {
  for (const [method, path, json] of ROWS) {
    test(`${what} before the body of ${method} ${path({ todo: 1 } as User)}`, async () => {
      const user = await makeUser();
      const body = JSON.stringify(json);
      const { hostname, port } = new URL(service.origin);
      const socket = connect(Number(port), hostname);
      const answered = text(socket);
      socket.write(
        `${method} ${path(user)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${authorize(user)}\r\n` +
          `Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body[0]}`,
      );
      // "100 Continue" tells that the headers were read.
      await once(socket, 'readable');
      await end(user);
      const before = await look(user);
      socket.write(body.slice(1));
      const [, status] = /HTTP\/1\.1 (4\d\d|5\d\d|2\d\d)/.exec(await answered) ?? [];
      assert.equal(status, what.includes('reading') ? '403' : '401');
      assert.deepEqual(await look(user), before);
    });
  }
}

test('a body that comes late by a credential that holds is taken', async () => {
  const user = await makeUser();
  const { hostname, port } = new URL(service.origin);
  const socket = connect(Number(port), hostname);
  const answered = text(socket);
  socket.write(
    `POST /api/v1/todo/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${byToken(user)}\r\n` +
      'Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n',
  );
  await once(socket, 'readable');
  await prisma.user.findMany();
  socket.write('{"title": "new"}');
  assert.match(await answered, /^HTTP\/1\.1 201 /m);
});
