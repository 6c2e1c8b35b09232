import assert from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { paths } from './api.js';

const { TODO_API: baseUrl = 'http://127.0.0.1:8000', TODO_USERNAME = '', TODO_PASSWORD = '' } = process.env;

const api = createClient<paths>({ baseUrl });
const login = await api.POST('/api/token', { body: { username: TODO_USERNAME, password: TODO_PASSWORD } });
assert(login.data, 'The login is refused.');
api.use({ onRequest: ({ request }) => request.headers.set('Authorization', `Token ${login.data.token}`) });

const created = await api.POST('/api/v1/todo', { body: { title: 'Buy milk' } });
assert(created.data, 'Nothing is created.');
const todo = { params: { path: { id: created.data.id } } };
const listed = await api.GET('/api/v1/todo', { params: { query: { limit: 10 } } });
const read = await api.GET('/api/v1/todo/{id}', todo);
const changed = await api.PATCH('/api/v1/todo/{id}', { ...todo, body: { is_completed: true } });
const refused = await api.PATCH('/api/v1/todo/{id}', { ...todo, body: { title: '' } });
const deleted = await api.DELETE('/api/v1/todo/{id}', todo);

console.log('listed', listed.data?.length, 'and read', read.data?.title);
console.log('changed', changed.data?.title, changed.data?.is_completed);
if (refused.error && !('detail' in refused.error)) console.log('refused', refused.error.title);
console.log('deleted', deleted.response.status);
