import assert from 'node:assert/strict';
import { after, beforeEach, suite, type TestContext, test } from 'node:test';
import { hash } from '@node-rs/argon2';
import { obtainApiToken } from '../../src/api-tokens.ts';
import { isMissing, type Prisma } from '../../src/database/index.ts';
import { CommandError } from '../../src/errors.ts';
import { needsRehash } from '../../src/passwords.ts';
import {
  attemptLogin,
  changePassword,
  checkEmail,
  checkUsername,
  createUser,
  deleteUser,
  type Login,
  normaliseUsername,
  noteLogin,
} from '../../src/users.ts';
import { PASSWORD, SECRET_KEY } from '../helper.ts';
import { insertUser, open } from './helper.ts';

const { prisma } = await open({ after: after as TestContext['after'] });
beforeEach(() => prisma.user.deleteMany());

const authenticateUser = async (...[prisma, username, password]: Parameters<typeof attemptLogin>) =>
  (await attemptLogin(prisma, username, password)).login;

const paul = { username: 'paul', email: 'paul@domain.com', password: PASSWORD, isSuperuser: false };

suite('a username', () => {
  const taken: [given: string, stored: string][] = [
    ['paul', 'paul'],
    ['Paul', 'Paul'],
    [' paul\t', 'paul'],
    ['p.aul+x@y-z_0', 'p.aul+x@y-z_0'],
    ['Grüße', 'Grüße'],
    ['Gru\u0308n', 'Grün'],
    ['ｐａｕｌ', 'paul'],
    ['日本', '日本'],
    ['x'.repeat(150), 'x'.repeat(150)],
    ['𝒳'.repeat(150), 'X'.repeat(150)],
    ['𠀀'.repeat(150), '𠀀'.repeat(150)],
  ];
  for (const [given, stored] of taken) {
    test(`${given.slice(0, 20)} is taken`, () => assert.equal(checkUsername(given), stored));
  }

  const INVALID = 'Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.';
  const refused: [given: string, message: string][] = [
    ['', 'This field cannot be blank.'],
    [' \u3000', 'This field cannot be blank.'],
    ['x'.repeat(151), 'Ensure this value has at most 150 characters (it has 151).'],
    ['𠀀'.repeat(151), 'Ensure this value has at most 150 characters (it has 151).'],
    ['two words', INVALID],
    ['paul!', INVALID],
    ['a/b', INVALID],
    ['a\nb', INVALID],
    ['a\0', INVALID],
    ['😀', INVALID],
    ['\ud800', INVALID],
  ];
  for (const [given, message] of refused) {
    test(`${JSON.stringify(given.slice(0, 20))} is refused`, () =>
      assert.throws(() => checkUsername(given), new CommandError(message)));
  }

  test('is compared in one form, with case', () => {
    assert.equal(normaliseUsername(' ｐａｕｌ '), 'paul');
    assert.notEqual(normaliseUsername('Paul'), normaliseUsername('paul'));
  });
});

suite('an e-mail address', () => {
  const taken: [given: string, stored: string][] = [
    ['', ''],
    [' ', ''],
    ['paul@domain.com', 'paul@domain.com'],
    [' Paul@Domain.COM ', 'Paul@domain.com'],
    [`${'x'.repeat(242)}@example.com`, `${'x'.repeat(242)}@example.com`],
  ];
  for (const [given, stored] of taken) {
    test(`"${given.slice(0, 20)}" is taken`, () => assert.equal(checkEmail(given), stored));
  }
  for (const given of [
    'paul',
    'paul@',
    '@domain.com',
    'paul@domain',
    'a@b@c.com',
    'a b@c.com',
    'a@b.com.',
    'a@b.c\nd',
  ]) {
    test(`${JSON.stringify(given)} is refused`, () =>
      assert.throws(() => checkEmail(given), new CommandError('Enter a valid email address.')));
  }
  test('of 255 characters is refused', () =>
    assert.throws(
      () => checkEmail(`${'x'.repeat(243)}@example.com`),
      new CommandError('Enter a valid email address.'),
    ));
});

suite('making a user', () => {
  test('keeps the hash of the password', async () => {
    const { id } = await createUser(prisma, { ...paul, isSuperuser: true });
    const { password, dateJoined, ...user } = await prisma.user.findUniqueOrThrow({ where: { id } });
    const { password: _, ...expected } = { ...paul, id, isSuperuser: true, isActive: true, lastLogin: null };
    assert.deepEqual(user, expected);
    assert.match(password, /^\$argon2id\$/);
    assert.ok(dateJoined instanceof Date);
  });

  test('refuses a name that is taken, and goes by case', async () => {
    await insertUser({ prisma }, 'paul');
    await assert.rejects(createUser(prisma, paul), new CommandError('A user with that username already exists.'));
    assert.ok(await createUser(prisma, { ...paul, username: 'Paul' }));
  });
});

suite('logging in', () => {
  test('takes the right password of an active user', async () => {
    const { id } = await createUser(prisma, paul);
    const { password } = await prisma.user.findUniqueOrThrow({ where: { id } });
    for (const name of ['paul', ' paul ', 'ｐａｕｌ']) {
      assert.deepEqual(await authenticateUser(prisma, name, PASSWORD), { id, password, isActive: true });
    }
  });

  test('is noted with what it is for, as long as it holds', async () => {
    const { id, password } = await insertUser({ prisma }, 'paul');
    const login: Login = { id, password, isActive: true };
    const start = Date.now();
    await noteLogin(prisma, login);
    const { lastLogin } = await prisma.user.findUniqueOrThrow({ where: { id } });
    assert.ok(lastLogin && lastLogin.getTime() >= start && lastLogin.getTime() <= Date.now());
    await assert.rejects(async () => noteLogin(prisma, { ...login, password: 'another' }), isMissing);
    await prisma.user.update({ where: { id }, data: { isActive: false } });
    await assert.rejects(async () => noteLogin(prisma, login), isMissing);
    assert.deepEqual((await prisma.user.findUniqueOrThrow({ where: { id } })).lastLogin, lastLogin);
  });

  test('takes nothing else, and notes nothing', async () => {
    const { id } = await createUser(prisma, paul);
    const wrong = [
      ['paul', 'wrong'],
      ['paul', ` ${PASSWORD} `],
      ['Paul', PASSWORD],
      ['nobody', PASSWORD],
      ['', ''],
    ] as const;
    for (const [name, password] of wrong) {
      assert.equal(await authenticateUser(prisma, name, password), undefined, `${name} ${password}`);
    }
    await prisma.user.update({ where: { id }, data: { isActive: false } });
    assert.equal(await authenticateUser(prisma, 'paul', PASSWORD), undefined);
    assert.equal((await prisma.user.findUnique({ where: { id } }))?.lastLogin, null);
  });

  test('renews a hash of outdated parameters', async () => {
    const outdated = await hash(PASSWORD, { memoryCost: 1024, timeCost: 1 });
    const { id } = await prisma.user.create({ data: { username: 'paul', password: outdated } });
    assert.equal(await authenticateUser(prisma, 'paul', 'wrong'), undefined);
    assert.equal((await prisma.user.findUnique({ where: { id } }))?.password, outdated);
    const login = await authenticateUser(prisma, 'paul', PASSWORD);
    assert.ok(login && login.password !== outdated && !needsRehash(login.password));
    assert.ok(await authenticateUser(prisma, 'paul', PASSWORD));
  });

  test('does not outlive a change of the password that comes in between', async () => {
    const { id } = await createUser(prisma, paul);
    const loggingIn = authenticateUser(prisma, 'paul', PASSWORD);
    await prisma.user.update({ where: { id }, data: { password: 'another' } });
    // Whether it came before or after, the login holds for the old password only.
    const login = await loggingIn;
    assert.equal(login && (await obtainApiToken(prisma, [SECRET_KEY], login)), undefined);
    assert.equal((await prisma.user.findUnique({ where: { id } }))?.password, 'another');
  });
});

test('a new password ends all tokens and sessions of the user, and of no other', async () => {
  const { id } = await createUser(prisma, paul);
  const other = await insertUser({ prisma }, 'john');
  await giveAll(prisma, id);
  await giveAll(prisma, other.id);
  assert.equal(await changePassword(prisma, { id }, 'another-marble-otter-52'), true);
  assert.equal(await authenticateUser(prisma, 'paul', PASSWORD), undefined);
  assert.ok(await authenticateUser(prisma, 'paul', 'another-marble-otter-52'));
  assert.deepEqual(await prisma.apiToken.findMany({ select: { userId: true } }), [{ userId: other.id }]);
  assert.deepEqual(await prisma.session.findMany({ select: { userId: true } }), [{ userId: other.id }]);
});

suite('deleting a user', () => {
  test('deletes what is theirs, and nothing else', async () => {
    const { id } = await insertUser({ prisma }, 'paul');
    const other = await insertUser({ prisma }, 'john');
    await giveAll(prisma, id);
    await giveAll(prisma, other.id);
    assert.equal(await deleteUser(prisma, id), true);
    assert.deepEqual(await prisma.user.findMany({ select: { id: true } }), [{ id: other.id }]);
    assert.deepEqual(await prisma.apiToken.findMany({ select: { userId: true } }), [{ userId: other.id }]);
    assert.deepEqual(await prisma.session.findMany({ select: { userId: true } }), [{ userId: other.id }]);
    assert.deepEqual(await prisma.todo.findMany({ select: { ownerId: true } }), [{ ownerId: other.id }]);
    await assert.rejects(deleteUser(prisma, id), isMissing);
  });

  test('leaves the last active superuser', async () => {
    const [paul, john] = [
      await insertUser({ prisma }, 'paul', { isSuperuser: true }),
      await insertUser({ prisma }, 'john', { isSuperuser: true }),
    ];
    await insertUser({ prisma }, 'ringo');
    await prisma.user.update({ where: { id: john.id }, data: { isActive: false } });
    assert.equal(await deleteUser(prisma, paul.id), false);
    assert.equal(await deleteUser(prisma, john.id), true);
    assert.equal(await deleteUser(prisma, paul.id), false);
    assert.equal(await prisma.user.count({ where: { isSuperuser: true } }), 1);
  });

  test('leaves one of two superusers who are deleted at once', async () => {
    for (let round = 0; round < 30; round++) {
      const users = [
        await insertUser({ prisma }, 'paul', { isSuperuser: true }),
        await insertUser({ prisma }, 'john', { isSuperuser: true }),
      ];
      const deleted = await Promise.all(users.map(({ id }) => deleteUser(prisma, id)));
      assert.deepEqual(deleted.sort(), [false, true]);
      await prisma.user.deleteMany();
    }
  });
});

/** One of everything that a user can have. */
async function giveAll(prisma: Prisma, id: number): Promise<void> {
  await obtainApiToken(prisma, [SECRET_KEY], { id });
  await prisma.session.create({ data: { id: `s${id}`, userId: id, refreshJti: 'j', expiresAt: new Date() } });
  await prisma.todo.create({ data: { ownerId: id, title: 'a', dateCreated: '2026-11-23' } });
}
