import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { packagePath } from '../../src/package.ts';
import { type Answer, addUser, build, logIn, PASSWORD } from '../helper.ts';

interface Exchange {
  request: { method: string; path: string; headers?: Record<string, string>; body?: string };
  answer: { status: number; content_type?: string; body?: unknown; allow?: string; 'www-authenticate'?: string };
}
interface Case {
  id: string;
  title: string;
  exchanges: Exchange[];
}

const { cases }: { cases: Case[] } = JSON.parse(readFileSync(packagePath('test/contract/cases.json'), 'utf8'));

test('the exchanges recorded from the Django service', async (t) => {
  const service = await build(t);
  await addUser(service, 'paul', { isSuperuser: true });
  const { id: inactiveId } = await addUser(service, 'inactive');
  const { token: inactiveToken } = await logIn(service, 'inactive');
  await service.app.prisma.user.update({ where: { id: inactiveId }, data: { isActive: false } });
  const credentials = await logIn(service, 'paul');
  const variables: Record<string, string> = {
    ...credentials,
    username: 'paul',
    password: PASSWORD,
    inactive_username: 'inactive',
    inactive_password: PASSWORD,
    inactive_token: inactiveToken,
  };
  const fill = (text: string) => text.replace(/\{\{(\w+)\}\}/g, (whole, name) => variables[name] ?? whole);
  const json = { title: 'there from the start' };
  const first = await service.send('POST', '/api/v1/todo/', { json, authorization: `Token ${variables.token}` });

  for (const { id, title, exchanges } of cases) {
    await t.test(`${id}: ${title}`, async () => {
      variables.id = String(first.body.id);
      for (const { request, answer: expected } of exchanges) {
        const headers = Object.entries(request.headers ?? {}).map(([name, value]) => [name, fill(value)]);
        const answer = await service.send(request.method, fill(request.path), {
          headers: Object.fromEntries(headers),
          ...(request.body == null ? {} : { body: fill(request.body) }),
        });
        compare(answer, expected, fill);
        if (request.path.endsWith('/create/') && answer.status === 201) variables.id = String(answer.body.id);
      }
    });
  }
});

function compare(answer: Answer, expected: Exchange['answer'], fill: (text: string) => string) {
  assert.equal(answer.status, expected.status, answer.text);
  if (expected.content_type) assert.equal(answer.headers['content-type']?.split(';')[0], expected.content_type);
  if (expected.body === null) assert.equal(answer.text, '');
  else if (expected.body !== undefined) {
    matches(answer.body, expected.body, fill, expected.status < 300);
  }
  if (expected.allow) {
    for (const method of expected.allow.split(', '))
      assert.ok(answer.headers.allow?.split(', ').includes(method), method);
  }
  const challenge = expected['www-authenticate'];
  if (challenge)
    assert.ok(answer.headers['www-authenticate']?.startsWith(challenge), answer.headers['www-authenticate']);
}

const FORMS: Record<string, (value: unknown) => boolean> = {
  '{{integer}}': Number.isInteger,
  '{{today}}': (value) => value === new Date().toISOString().slice(0, 10),
  '{{jwt}}': (value) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(String(value)),
  '{{array}}': Array.isArray,
};

/** Equal, where `{{…}}` stands for a form; a todo, and nothing else, may have more keys. */
function matches(actual: unknown, expected: unknown, fill: (text: string) => string, mayHaveMore: boolean): void {
  if (typeof expected === 'string') {
    const form = FORMS[expected];
    const [start = '', ...rest] = fill(expected).split('{{text}}');
    if (form) assert.ok(form(actual), `${JSON.stringify(actual)} is not ${expected}`);
    else if (rest.length > 0) assert.ok(String(actual).startsWith(start), `${actual}`);
    else assert.equal(actual, start);
    return;
  }
  if (typeof expected !== 'object' || expected === null) {
    assert.equal(actual, expected);
    return;
  }
  assert.equal(Array.isArray(actual), Array.isArray(expected));
  const isTodo = mayHaveMore && Object.hasOwn(expected, 'last_modified');
  const keys = Object.keys(actual as object).filter((key) => !isTodo || Object.hasOwn(expected, key));
  assert.deepEqual(keys.sort(), Object.keys(expected).sort());
  for (const [key, value] of Object.entries(expected)) {
    matches((actual as Record<string, unknown>)[key], value, fill, mayHaveMore);
  }
}
