import assert from 'node:assert/strict';
import { before, type TestContext, test } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { RouteOptions } from 'fastify';
import { MissingHost } from '../../src/errors.ts';
import { isDay, isInstant } from '../../src/fields.ts';
import { BODY_TYPES } from '../../src/schemas.ts';
import { build, buildWithRoutes, temporaryDirectory } from '../helper.ts';
import { call } from '../src/helper.ts';

// biome-ignore lint/suspicious/noExplicitAny: the tests know the form of an OpenAPI document
type Json = any;

let document: Json;
let operations: { method: string; path: string; name: string; operation: Json }[];
let routes: RouteOptions[];

before(async (t) => {
  const service = await buildWithRoutes(t as TestContext, { REGISTRATION: 'open' });
  const { send } = service;
  routes = service.routes;
  const answer = await send('GET', '/openapi.json');
  assert.equal(answer.status, 200);
  document = answer.body;
  operations = Object.entries<Json>(document.paths).flatMap(([path, item]) =>
    Object.entries<Json>(item).map(([method, operation]) => ({ method, path, name: `${method} ${path}`, operation })),
  );
});

test('the document is of OpenAPI 3.1 and says what it is of', () => {
  assert.match(document.openapi, /^3\.1\./);
  for (const field of ['title', 'version', 'summary', 'description', 'license']) assert.ok(document.info[field], field);
});

test('every route that is not hidden is in the document, and no other', () => {
  const visible = routes
    .filter(({ method, schema }) => method !== 'HEAD' && !schema?.hide)
    .map(({ method, url }) => `${String(method).toLowerCase()} ${pathOf(url)}`);
  assert.deepEqual(operations.map(({ name }) => name).sort(), visible.sort());
});

/** `/todo/:id(^\d+$)/` is `/todo/{id}` in the document. */
function pathOf(url: string): string {
  return url.replace(/:(\w+)(\([^)]*\))?/g, '{$1}').replace(/(?<=.)\/$/, '');
}

test('where registration is closed there is nothing of it', async (t) => {
  const { send } = await build(t);
  const { paths } = (await send('GET', '/openapi.json')).body;
  assert.deepEqual(
    Object.keys(document.paths).filter((path) => !(path in paths)),
    ['/api/v1/users'],
  );
  assert.deepEqual((await send('POST', '/api/v1/users/', { json: {} })).body, { detail: 'Not found.' });
  assert.equal((await send('OPTIONS', '/api/v1/users/')).status, 404);
});

test('every operation is described', () => {
  const tags = document.tags.map(({ name }: { name: string }) => name);
  for (const { method, name, operation } of operations) {
    for (const field of ['operationId', 'summary', 'description']) assert.ok(operation[field], `${name}: ${field}`);
    assert.equal(operation.tags.length, 1, name);
    assert.ok(tags.includes(operation.tags[0]), name);
    for (const parameter of operation.parameters ?? []) {
      assert.ok(parameter.description && parameter.schema.type, `${name}: ${parameter.name}`);
    }
    const types = Object.keys(operation.requestBody?.content ?? {});
    const takesBody = ['post', 'put', 'patch'].includes(method) || name === 'delete /api/v1/users/me';
    assert.deepEqual(types, takesBody ? BODY_TYPES : []);
  }
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
});

test('every field is described', () => {
  const schemas = Object.entries<Json>(document.components.schemas);
  assert.ok(schemas.length > 10);
  for (const [name, schema] of schemas) {
    for (const [field, { description }] of Object.entries<Json>(schema.properties ?? {})) {
      assert.ok(description, `${name}.${field}`);
    }
  }
});

test('the answer to bad fields names those of the request', () => {
  for (const { name, operation } of operations) {
    const query = (operation.parameters ?? []).filter((parameter: Json) => parameter.in === 'query');
    const body = operation.requestBody?.content['application/json'].schema;
    const fields = body ? Object.keys(resolve(body).properties) : query.map((parameter: Json) => parameter.name);
    const { schema } = resolve(operation.responses[400]).content['application/json'];
    const [whole, byField] = (schema.anyOf ?? [schema]).map(resolve);
    assert.equal(whole.title, 'Detail', name);
    assert.deepEqual(Object.keys(byField?.properties ?? {}), fields.length > 0 ? [...fields, 'non_field_errors'] : []);
  }
});

test('an id is of one type wherever it stands', () => {
  for (const { name, path, operation } of operations.filter(({ path }) => path.endsWith('/{id}'))) {
    const [id] = operation.parameters;
    assert.equal(id.schema.type, path.includes('sessions') ? 'string' : 'integer', name);
    const shown = operation.responses[200] && resolve(operation.responses[200].content['application/json'].schema);
    if (shown) assert.equal(id.schema.type, shown.properties.id.type, name);
  }
});

const THROTTLED = [
  'post /api/token',
  'post /api/jwt/token',
  'post /api/v1/users',
  'post /api/v1/users/me/password',
  'delete /api/v1/users/me',
];

const KEYED = ['createTodo', 'createTodoAtOriginalPath'];

test('every operation has its security and all its errors', () => {
  for (const { method, path, name, operation } of operations) {
    const isProtected = path.startsWith('/api/v1/') && path !== '/api/v1/users';
    assert.deepEqual(operation.security, isProtected ? [{ tokenAuth: [] }, { jwtAuth: [] }] : [], name);
    const takesBody = operation.requestBody !== undefined;
    const expected = {
      400: true,
      401: isProtected || path.startsWith('/api/jwt/'),
      403: isProtected,
      404: path.includes('{id}') || path.endsWith('/current'),
      409: KEYED.includes(operation.operationId),
      412: path.includes('/todo') && method !== 'post',
      413: method !== 'get',
      415: takesBody,
      422: KEYED.includes(operation.operationId),
      429: THROTTLED.includes(name),
      431: true,
      500: true,
      503: path !== '/healthz',
    };
    const errors = Object.keys(operation.responses).filter((status) => status >= '400');
    const wanted = Object.entries(expected).filter(([, applies]) => applies);
    assert.deepEqual(
      errors,
      wanted.map(([status]) => status),
      name,
    );
  }
  for (const scheme of Object.values<Json>(document.components.securitySchemes)) assert.ok(scheme.description);
});

test('every operation answers a request without a Host header', () => {
  for (const { name, operation } of operations) {
    const { examples } = resolve(operation.responses[400]).content['application/json'];
    assert.deepEqual(examples.noHost, { value: { detail: new MissingHost().message } }, name);
    const hasOwn = operation.requestBody || operation.parameters?.some(({ in: place }: Json) => place === 'query');
    assert.equal(Object.keys(examples).length > 1, Boolean(hasOwn), name);
  }
});

test('the operations that take a key or a condition, and no others, say so', () => {
  for (const { method, path, name, operation } of operations) {
    const headers = (operation.parameters ?? []).filter(({ in: place }: Json) => place === 'header');
    const isOfTodos = path.includes('/todo');
    const expected = {
      'Idempotency-Key': KEYED.includes(operation.operationId),
      'If-Match': isOfTodos && method !== 'post',
      'If-None-Match': isOfTodos && method !== 'post',
    };
    const wanted = Object.entries(expected).filter(([, applies]) => applies);
    assert.deepEqual(
      headers.map((header: Json) => header.name),
      wanted.map(([header]) => header),
      name,
    );
    assert.ok(!('x-headers' in operation), name);
    for (const { description } of headers) assert.match(description, /24 hours|`ETag`/);
  }
});

test('every answer is described, with the headers that it has', () => {
  for (const { method, path, name, operation } of operations) {
    for (const [status, reference] of Object.entries<Json>(operation.responses)) {
      const { description, headers } = resolve(reference);
      assert.ok(description && description !== 'Default Response', `${name} ${status}`);
      const expected = {
        'X-Request-Id': true,
        'WWW-Authenticate': status === '401',
        'Retry-After': ['409', '429', '503'].includes(status),
        Location: status === '201',
        'Idempotent-Replayed': status === '201' && KEYED.includes(operation.operationId),
        Link: method === 'get' && path.endsWith('/todo') && ['200', '304'].includes(status),
        ETag: path.includes('/todo') && ['200', '201', '304'].includes(status),
      };
      const wanted = Object.entries(expected).filter(([, applies]) => applies);
      assert.deepEqual(
        Object.keys(headers),
        wanted.map(([header]) => header),
        `${name} ${status}`,
      );
      for (const header of Object.values(headers)) assert.ok(resolve(header).description, `${name} ${status}`);
    }
  }
});

test('every reference leads somewhere, and every component is used', () => {
  const references = new Set<string>();
  visit(document, (node) => {
    if (typeof node.$ref !== 'string') return;
    assert.ok(resolve(node), node.$ref);
    references.add(node.$ref);
  });
  for (const kind of ['schemas', 'responses', 'headers']) {
    for (const name of Object.keys(document.components[kind])) {
      assert.ok(references.has(`#/components/${kind}/${name}`), `${kind}/${name}`);
    }
  }
});

test('every body has examples, and every example is valid against its schema', () => {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: true,
    formats: { date: isDay, 'date-time': isExampleInstant, password: true, uuid: UUID, int32: true },
  });
  let checked = 0;
  const validators = new Map<string, ValidateFunction>();
  const check = (schema: Json, example: unknown, place: string) => {
    const text = JSON.stringify(schema);
    const validate = validators.get(text) ?? ajv.compile({ components: document.components, ...schema });
    validators.set(text, validate);
    assert.ok(validate(example), `${place}: ${JSON.stringify(example)} ${ajv.errorsText(validate.errors)}`);
    checked++;
  };
  for (const { name, operation } of operations) {
    const bodies = [operation.requestBody, ...Object.values(operation.responses)].filter(Boolean).map(resolve);
    for (const { content, description } of bodies) {
      for (const [type, { schema, examples }] of Object.entries<Json>(content ?? {})) {
        const place = `${name} ${type} ${description}`;
        assert.ok(examples, place);
        for (const { value } of Object.values<Json>(examples)) check(schema, value, place);
      }
    }
  }
  visit(document, ({ schema, example, type, examples }, place) => {
    if (schema && example !== undefined) check(schema, example, place);
    if (typeof type === 'string' && Array.isArray(examples)) {
      for (const one of examples) check({ type, ...resolveAt(place), examples: [] }, one, place);
    }
  });
  assert.ok(checked > 200);
});

const isExampleInstant = (text: string) => isInstant(text.replace(/:00Z$/, ':00.000Z'));
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

test('the console prints the same document', async (t) => {
  const settings = { REGISTRATION: 'open', SECRET_KEY: '' };
  const { stdout } = await call(['openapi'], { directory: temporaryDirectory(t), settings });
  assert.deepEqual(JSON.parse(stdout), document);
});

/** What a part of the document is, where it may be a reference. */
function resolve(part: Json): Json {
  return part.$ref === undefined ? part : resolve(resolveAt(part.$ref));
}

function resolveAt(pointer: string): Json {
  const keys = pointer.split('/').slice(1);
  return keys.reduce((part, key) => part?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], document);
}

/** Calls back for every object in the document, with the JSON pointer (RFC 6901) to it. */
function visit(part: Json, callback: (part: Json, pointer: string) => void, pointer = '#') {
  if (typeof part !== 'object' || part === null) return;
  if (!Array.isArray(part)) callback(part, pointer);
  for (const [key, value] of Object.entries(part)) {
    if (key !== 'value') visit(value, callback, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
  }
}
