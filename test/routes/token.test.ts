import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { openDatabase } from '../../src/database/index.ts';
import { MAX_HASHES, passwordQueue } from '../../src/passwords.ts';
import { addUser, build, PASSWORD, until } from '../helper.ts';

const UNABLE = { non_field_errors: ['Unable to log in with provided credentials.'] };
const REQUIRED = ['This field is required.'];
const BLANK = ['This field may not be blank.'];
const NULL = ['This field may not be null.'];
const NOT_TEXT = ['Not a valid string.'];
const NUL = ['Null characters are not allowed.'];

const password = PASSWORD;
const refused: [string, unknown, object][] = [
  ['a wrong password', { username: 'paul', password: 'wrong' }, UNABLE],
  ['the password in another case', { username: 'paul', password: PASSWORD.toUpperCase() }, UNABLE],
  ['white space around the password', { username: 'paul', password: ` ${PASSWORD}` }, UNABLE],
  ['a password of white space', { username: 'paul', password: ' ' }, UNABLE],
  ['a number for the password', { username: 'paul', password: 1.0 }, UNABLE],
  ['a huge password', { username: 'paul', password: 'x'.repeat(200_000) }, UNABLE],
  ['an unknown user', { username: 'nobody', password }, UNABLE],
  ['the name in another case', { username: 'Paul', password }, UNABLE],
  ['a number for the name', { username: 5, password }, UNABLE],
  ['a huge name', { username: 'x'.repeat(200_000), password }, UNABLE],
  ['an inactive user', { username: 'inactive', password }, UNABLE],
  ['nothing', {}, { username: REQUIRED, password: REQUIRED }],
  ['no password', { username: 'paul' }, { password: REQUIRED }],
  ['no name', { password }, { username: REQUIRED }],
  ['names in another case', { Username: 'paul', PASSWORD: password }, { username: REQUIRED, password: REQUIRED }],
  ['blank fields', { username: '', password: '' }, { username: BLANK, password: BLANK }],
  ['a name of white space', { username: ' \t\n', password }, { username: BLANK }],
  ['null', { username: null, password: null }, { username: NULL, password: NULL }],
  ['booleans', { username: true, password: false }, { username: NOT_TEXT, password: NOT_TEXT }],
  ['an array and an object', { username: ['paul'], password: { $ne: '' } }, { username: NOT_TEXT, password: NOT_TEXT }],
  ['NUL', { username: 'paul\0', password: `${PASSWORD}\0` }, { username: NUL, password: NUL }],
  [
    'lone surrogates',
    { username: '\ud800', password: '\udfff' },
    {
      username: ['Surrogate characters are not allowed: U+D800.'],
      password: ['Surrogate characters are not allowed: U+DFFF.'],
    },
  ],
  [
    'a list',
    [{ username: 'paul', password }],
    { non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] },
  ],
  ['no data', null, { non_field_errors: ['No data provided'] }],
];

test('POST /api/token', async (t) => {
  const service = await build(t);
  const paul = await addUser(service, 'paul');
  const inactive = await addUser(service, 'inactive');
  await service.app.prisma.user.update({ where: { id: inactive.id }, data: { isActive: false } });
  const json = { username: 'paul', password };
  const { token } = (await service.send('POST', '/api/token', { json })).body;
  const answersToken = async (path: string, options: Parameters<typeof service.send>[2]) => {
    const answer = await service.send('POST', path, options);
    assert.deepEqual([answer.status, answer.body], [200, { token }]);
    assert.equal(answer.headers['cache-control'], 'no-store');
  };

  await t.test('answers 40 hex characters, which open the list', async () => {
    assert.match(token, /^[0-9a-f]{40}$/);
    assert.equal((await service.send('GET', '/api/v1/todo/', { authorization: `Token ${token}` })).status, 200);
  });
  await t.test('answers the same token each time, with and without the slash', async () => {
    await answersToken('/api/token', { json });
    await answersToken('/api/token/', { json });
  });
  await t.test('trims the name', () => answersToken('/api/token', { json: { username: '  paul\t', password } }));
  await t.test('ignores unknown fields', () =>
    answersToken('/api/token', { json: { ...json, token: 'mine', a: [1] } }),
  );
  await t.test('ignores the Authorization header', async () => {
    for (const authorization of ['Token x', 'Token', 'Bearer', 'Bearer a b', 'Basic cGF1bDp4', '']) {
      await answersToken('/api/token', { json, headers: { authorization } });
    }
  });
  await t.test('reads forms', async () => {
    const form = new URLSearchParams(json).toString();
    await answersToken('/api/token', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: form });
    const parts = Object.entries(json).map(
      ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    await answersToken('/api/token', { headers, body: `${parts.join('')}--b--\r\n` });
  });
  await t.test('the query says nothing', async () => {
    const query = new URLSearchParams(json);
    const answer = await service.send('POST', `/api/token?${query}`, { json: {} });
    assert.deepEqual([answer.status, answer.body], [400, { username: REQUIRED, password: REQUIRED }]);
  });

  for (const [what, sent, body] of refused) {
    await t.test(`refused: ${what}`, async () => {
      const answer = await service.send('POST', '/api/token', { json: sent });
      assert.deepEqual([answer.status, answer.body], [400, body]);
      assert.equal(answer.headers['www-authenticate'], undefined);
      assert.equal(answer.headers['cache-control'], 'no-store');
    });
  }

  await t.test('ten at once get one token', async () => {
    await service.app.prisma.apiToken.deleteMany({ where: { userId: paul.id } });
    const answers = await Promise.all(Array.from({ length: 10 }, () => service.send('POST', '/api/token', { json })));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal(new Set(answers.map(({ body }) => body.token)).size, 1);
    assert.notEqual(answers[0]?.body.token, token);
    assert.equal(await service.app.prisma.apiToken.count({ where: { userId: paul.id } }), 1);
  });
  await t.test('the database holds no token', async () => {
    const { token: now } = (await service.send('POST', '/api/token', { json })).body;
    const rows = JSON.stringify(await service.app.prisma.apiToken.findMany());
    assert.ok(!rows.includes(now) && !rows.includes(PASSWORD));
  });
});

test('a log-in whose client went away meanwhile is not begun', async (t) => {
  const service = await build(t);
  const names = Array.from({ length: 20 }, (_, i) => `crowd${i}`);
  await Promise.all(names.map((name) => addUser(service, name)));
  const { port } = new URL(service.origin);
  const sockets = names.map((username) => {
    const body = JSON.stringify({ username, password: PASSWORD });
    const head = `POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(`${head}\r\n\r\n${body}`));
    return socket;
  });
  await until('ten wait', () => passwordQueue().waiting >= 10, 1);
  for (const socket of sockets) socket.destroy();
  await until('none waits', () => passwordQueue().waiting === 0, 1);
  await service.app.close();
  const { prisma, close } = await openDatabase(service.app.config);
  t.after(close);
  assert.ok((await prisma.apiToken.count()) <= 10 + MAX_HASHES - 100);
});
