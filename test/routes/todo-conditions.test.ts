import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { addUser, build, logIn } from '../helper.ts';

const LIST = '/api/v1/todo/';
const CHANGED = { detail: 'What is there is not what the request expects; read it again.' };
const service = await build({ after: after as TestContext['after'] });
await addUser(service, 'paul');
await addUser(service, 'mary');
await addUser(service, 'root', { isSuperuser: true });
const authorization = `Token ${(await logIn(service, 'paul')).token}`;
const mary = `Token ${(await logIn(service, 'mary')).token}`;
const root = `Token ${(await logIn(service, 'root')).token}`;

interface Options {
  json?: object;
  form?: Record<string, string>;
  headers?: Record<string, string>;
  authorization?: string;
}
const send = (method: string, path: string, options: Options = {}) =>
  service.send(method, path, { authorization, ...options });

async function make(title = 'Buy milk') {
  const { status, body, headers } = await send('POST', LIST, { json: { title } });
  assert.equal(status, 201);
  return { path: `${LIST}${body.id}/`, id: body.id as number, etag: String(headers.etag), todo: body };
}

test('a todo has the same strong tag wherever it is answered, and another after each change', async () => {
  const { path, etag } = await make();
  assert.match(etag, /^"[\w-]{43}"$/);
  const tags = [etag];
  for (const json of [
    { title: 'Buy bread' },
    { is_completed: true },
    { body: 'whole grain' },
    { date_created: '2020-01-01' },
  ]) {
    const changed = await send('PATCH', path, { json });
    assert.equal((await send('GET', path)).headers.etag, changed.headers.etag);
    assert.equal((await send('GET', path, { authorization: root })).headers.etag, changed.headers.etag);
    tags.push(String(changed.headers.etag));
  }
  assert.equal(new Set(tags).size, 5);
  const same = await send('PUT', path, { json: { title: 'Buy bread' } });
  assert.equal(same.headers.etag, tags.at(-1), 'what is as it was has the tag that it had');
});

test('who has the present state is told so, without a body', async () => {
  const { path, etag } = await make();
  for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, `"other",W/${etag},"a,b"`, '*', ' * ']) {
    const answer = await send('GET', path, { headers: { 'if-none-match': tags } });
    assert.deepEqual([answer.status, answer.text, answer.headers.etag], [304, '', etag], tags);
    assert.ok(answer.headers['x-request-id']);
    const head = await send('HEAD', path, { headers: { 'if-none-match': tags } });
    assert.deepEqual([head.status, head.text, head.headers.etag], [304, '', etag], tags);
    // Only that of the 200 would be right (RFC 9110, 8.6).
    assert.equal(head.headers['content-length'], undefined);
  }
  for (const tags of [
    '',
    '"other"',
    etag.slice(1, -1),
    etag.slice(0, -1),
    `${etag.slice(0, -1)}x"`,
    '"*"',
    '"a,*,b"',
    '*, "a"',
    ',,,',
  ]) {
    const answer = await send('GET', path, { headers: { 'if-none-match': tags } });
    assert.deepEqual([answer.status, answer.body.title], [200, 'Buy milk'], tags);
  }
  await send('PATCH', path, { json: { title: 'Buy bread' } });
  assert.equal((await send('GET', path, { headers: { 'if-none-match': etag } })).status, 200);
  const anothers = await send('GET', path, { headers: { 'if-none-match': '*' }, authorization: mary });
  assert.equal(anothers.status, 404);
});

test('a list has a tag of its own', async () => {
  await make();
  const first = await send('GET', `${LIST}?limit=1`);
  const again = await send('GET', `${LIST}?limit=1`, { headers: { 'if-none-match': String(first.headers.etag) } });
  assert.deepEqual([again.status, again.text, again.headers.link], [304, '', first.headers.link]);
  const [{ id }] = first.body;
  await send('PATCH', `${LIST}${id}/`, { json: { body: 'changed' } });
  const after = await send('GET', `${LIST}?limit=1`, { headers: { 'if-none-match': String(first.headers.etag) } });
  assert.deepEqual([after.status, after.body[0].body], [200, 'changed']);
});

for (const [method, original] of [
  ['PATCH', 'update'],
  ['PUT', 'update'],
  ['DELETE', 'delete'],
] as const) {
  test(`${method} of what is not as expected does nothing`, async () => {
    for (const at of [(id: number) => `${LIST}${id}/`, (id: number) => `${LIST}${original}/${id}/`]) {
      const { id, path, etag, todo } = await make();
      const json = { title: 'Buy bread' };
      for (const tags of ['"other"', `W/${etag}`, '', 'x', etag.slice(1, -1), '"*"', '"a,*,b"', '"a", *']) {
        const answer = await send(method, at(id), { json, headers: { 'if-match': tags } });
        assert.deepEqual([answer.status, answer.body], [412, CHANGED], tags);
      }
      assert.deepEqual((await send('GET', path)).body, todo);
      const done = await send(method, at(id), { json, headers: { 'if-match': `"other", ${etag}` } });
      assert.equal(done.status, method === 'DELETE' ? 204 : 200, done.text);
      const late = await send(method, at(id), { json, headers: { 'if-match': etag } });
      assert.equal(late.status, method === 'DELETE' ? 404 : 412);
    }
  });

  test(`${method} by * needs a todo, whatever it is`, async () => {
    const { path } = await make();
    const options = { json: { title: 'Buy bread' }, headers: { 'if-match': '*' } };
    assert.equal((await send(method, path, { ...options, authorization: mary })).status, 404);
    assert.equal((await send(method, path, options)).status, method === 'DELETE' ? 204 : 200);
    assert.equal((await send(method, `${LIST}2147483647/`, options)).status, 404);
    assert.equal(
      (await send(method, `${LIST}2147483647/`, { ...options, headers: { 'if-match': '"x"' } })).status,
      404,
    );
  });
}

test('a change of what must be no more is refused, too', async () => {
  const { path, etag, todo } = await make();
  for (const method of ['PATCH', 'PUT', 'DELETE']) {
    for (const tags of ['*', etag, `W/${etag}`, `"other", ${etag}`]) {
      const options = { json: { title: 'Buy bread' }, headers: { 'if-none-match': tags } };
      const answer = await send(method, path, options);
      assert.deepEqual([answer.status, answer.body], [412, CHANGED], `${method} ${tags}`);
      assert.equal((await send(method, `${LIST}2147483647/`, options)).status, 404);
    }
  }
  assert.deepEqual((await send('GET', path)).body, todo);
  const headers = { 'if-none-match': '"other"', 'if-match': etag };
  assert.equal((await send('PATCH', path, { json: { title: 'Buy bread' }, headers })).status, 200);
});

test('what is read may be expected, too', async () => {
  const { path, etag } = await make();
  const list = `${LIST}?limit=1`;
  const tags: [string, string][] = [
    [path, etag],
    [list, String((await send('GET', list)).headers.etag)],
  ];
  for (const [at, known] of tags) {
    for (const method of ['GET', 'HEAD']) {
      assert.equal((await send(method, at, { headers: { 'if-match': known } })).status, 200);
      assert.equal((await send(method, at, { headers: { 'if-match': '*' } })).status, 200);
      // Asked first (RFC 9110, 13.2.2).
      const headers = { 'if-match': '"other"', 'if-none-match': known };
      assert.equal((await send(method, at, { headers })).status, 412);
      assert.equal((await send(method, at, { headers: { ...headers, 'if-match': known } })).status, 304);
    }
  }
  assert.equal((await send('GET', `${LIST}2147483647/`, { headers: { 'if-match': '"x"' } })).status, 404);
});

test('fields are judged before what is expected', async () => {
  const { path } = await make();
  const answer = await send('PATCH', path, { json: { title: '' }, headers: { 'if-match': '"other"' } });
  assert.equal(answer.status, 400);
});

test('a superuser and its owner expect the same', async () => {
  const { path, etag } = await make();
  const options = { json: { is_completed: true }, headers: { 'if-match': etag }, authorization: root };
  assert.equal((await send('PATCH', path, options)).status, 200);
  assert.equal((await send('DELETE', path, { ...options, headers: { 'if-match': etag } })).status, 412);
});

test('of many who change the same state one does', async () => {
  const { path, etag } = await make('0');
  for (let round = 1, expected = etag; round <= 10; round++) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        send('PATCH', path, { json: { title: `${round} ${index}` }, headers: { 'if-match': expected } }),
      ),
    );
    const [done, ...more] = answers.filter(({ status }) => status === 200);
    assert.ok(done && more.length === 0);
    assert.ok(answers.every((answer) => answer === done || answer.status === 412));
    assert.equal((await send('GET', path)).body.title, done.body.title);
    expected = String(done.headers.etag);
  }
});

test('a change made past the API is another state, too', async () => {
  const { path, id, etag } = await make();
  await service.app.prisma.todo.update({ where: { id }, data: { title: 'by hand' } });
  assert.equal((await send('GET', path, { headers: { 'if-none-match': etag } })).status, 200);
  assert.equal((await send('DELETE', path, { headers: { 'if-match': etag } })).status, 412);
});
