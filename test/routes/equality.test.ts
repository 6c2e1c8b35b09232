import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ORDERINGS } from '../../src/cursors.ts';
import { cases, prepareCases } from '../contract/cases.ts';
import { type Answer, build, isOnPostgresql, logIn, makeDatabase, type TestApp } from '../helper.ts';

/** Besides the recorded exchanges: texts and their comparison, pages, and what a database might refuse in its own words. */
const TEXTS = [
  'é',
  'é',
  'É',
  'ß',
  'ẞ',
  'İ',
  'ı',
  'yarın',
  'Straße',
  'ﬁsh',
  'ΐ',
  'և',
  'Ω',
  'ΟΔΟΣ',
  '\u212a',
  '\u2126',
  '𐐨',
  '日本',
  '🎉',
  'a',
  'A',
  'z',
  'Z',
  '~',
  '\u00a0x\u2003',
  '\ufeffx',
  "';--",
  '\\',
  '%',
  '_',
];

const answersOf = async (service: TestApp): Promise<Answer[]> => {
  const answers: Answer[] = [];
  const { repeat } = await prepareCases(service);
  for (const recorded of cases) answers.push(...(await repeat(recorded)));
  const authorization = `Token ${(await logIn(service, 'paul')).token}`;
  const ask = async (method: string, path: string, json?: unknown) => {
    const answer = await service.send(method, path, { authorization, ...(json === undefined ? {} : { json }) });
    answers.push(answer);
    return answer;
  };
  for (const text of TEXTS) {
    const { body: todo } = await ask('POST', '/api/v1/todo/', { title: text, body: text.repeat(40) });
    await ask('PATCH', `/api/v1/todo/${todo.id}/`, { is_completed: true });
    await ask('PUT', `/api/v1/todo/${todo.id}/`, { title: `${text} `, date_created: '0001-01-01' });
    await ask('GET', `/api/v1/todo/${todo.id}/`);
    await ask('POST', '/api/token', { username: text, password: text });
  }
  const words = TEXTS.flatMap((text) => [text, text.toLowerCase(), text.toUpperCase()]);
  for (const search of [...words, 'fi', 'f', 'ss', 'ι', 'k', 'ω', 'οδος', 'strasse'])
    await ask('GET', `/api/v1/todo/?${new URLSearchParams({ search })}`);
  for (const date_created of ['9999-12-31', '0001-01-01', '2024-2-29', '2023-02-29', '0000-01-01', '10000-01-01']) {
    await ask('POST', '/api/v1/todo/', { title: 'dated', date_created });
  }
  for (const id of ['0', '00000001', '2147483647', '2147483648', '9'.repeat(400)])
    await ask('DELETE', `/api/v1/todo/${id}/`);
  for (const ordering of ORDERINGS)
    for (let page: string | undefined = `/api/v1/todo/?limit=7&ordering=${ordering}&search=e`; page; ) {
      const { headers } = await ask('GET', page);
      const next = /<([^<>]+)>; rel="next"/.exec(String(headers.link ?? ''))?.[1];
      page = next && new URL(next).pathname + new URL(next).search;
    }
  return answers;
};

/** An answer without what differs from run to run: ids, times, and the credentials that hold them. */
const comparable = ({ status, headers, text }: Answer) => ({
  status,
  headers: {
    ...headers,
    date: '',
    'x-request-id': '',
    location: '',
    etag: headers.etag && 'some',
    link: headers.link && 'next',
    'content-length': '',
  },
  text: text.replace(/"(id|owner)":\d+/g, '"$1":0').replace(/"(token|access|refresh)":"[^"]+"/g, '"$1":""'),
});

test('SQLite and PostgreSQL answer alike, byte for byte', {
  skip: !isOnPostgresql && 'this run is on SQLite',
}, async (t) => {
  const services = [await build(t), await build(t, await makeDatabase(t, ''))] as const;
  const [onPostgresql, onSqlite] = await Promise.all(services.map(answersOf));
  assert.ok((onPostgresql?.length ?? 0) > 300);
  assert.deepEqual(onPostgresql?.map(comparable), onSqlite?.map(comparable));
});
