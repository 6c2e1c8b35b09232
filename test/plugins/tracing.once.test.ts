import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { suite, type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import { ConfigError } from '../../src/config.ts';
import { isTracingOn, startTracing } from '../../src/tracing.ts';
import { addUser, build, logIn, makeDatabase, PASSWORD, temporaryDirectory } from '../helper.ts';
import { startServer } from '../src/helper.ts';
import { exchange } from './helper-socket.ts';

const { cache } = createRequire(import.meta.url);

const loaded = () => Object.keys(cache).filter((path) => /@opentelemetry|@fastify\/otel/.test(path));

// First, while nothing in this process has turned it on.
test('without its variables nothing of OpenTelemetry is loaded', async (t) => {
  const { send } = await build(t);
  assert.equal((await send('GET', '/healthz')).status, 200);
  assert.deepEqual(loaded(), []);
});

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A collector of OTLP over HTTP, with what it was sent. */
async function startCollector(t: TestContext) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    received.push({ path: request.url as string, headers: request.headers, body: await buffer(request) });
    response.writeHead(200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { received, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

interface Span {
  name: string;
  kind: number;
  traceId: string;
  parentSpanId?: string;
  attributes: Record<string, unknown>;
  status: { code: number; message?: string };
}

interface KeyValue {
  key: string;
  value: Record<string, unknown>;
}

const toObject = (attributes: KeyValue[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** The app under these variables, and what a collector has when the app is closed. */
async function trace(t: TestContext, run: (service: Awaited<ReturnType<typeof build>>) => Promise<void>) {
  const { received, endpoint } = await startCollector(t);
  const variables: Record<string, string> = {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  };
  Object.assign(process.env, variables);
  t.after(() => {
    for (const name of Object.keys(variables)) delete process.env[name];
  });
  const service = await build(t);
  await run(service);
  await service.app.close();
  assert.deepEqual([...new Set(received.map(({ path }) => path))], ['/v1/traces']);
  const batches = received.flatMap(({ body }) => JSON.parse(body.toString()).resourceSpans);
  const spans: Span[] = batches.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap((scope: { spans: (Span & { attributes: KeyValue[] })[] }) =>
      scope.spans.map((span) => ({ ...span, attributes: toObject(span.attributes) })),
    ),
  );
  return { spans, resource: toObject(batches[0].resource.attributes), text: JSON.stringify(batches) };
}

test('each request is a span with its method, route and status, and with no secret', async (t) => {
  const secrets: string[] = [PASSWORD, 'secret-url'];
  const { spans, resource, text } = await trace(t, async (service) => {
    await addUser(service, 'paul');
    const { token, access, refresh } = await logIn(service, 'paul');
    secrets.push(token, access, refresh);
    await service.send('GET', '/api/v1/todo/7/?cursor=secret-cursor', { authorization: `Token ${token}` });
    await service.send('GET', '/api/v1/todo', { authorization: `Bearer ${access}` });
    // In the form for proxies, which may hold a credential.
    await exchange(
      service.origin,
      'GET http://paul:secret-url@x/healthz?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    await service.send('GET', '/nothing');
    await service.app.prisma.$executeRaw`ALTER TABLE todos RENAME TO gone`;
    await service.send('POST', '/api/v1/todo', { authorization: `Token ${token}`, json: { title: 'x' } });
  });
  assert.ok(loaded().length > 0);
  assert.equal(resource['service.name'], 'todo-api');
  assert.equal(resource['deployment.environment.name'], 'test');
  const seen = spans.map(({ name, kind, status, attributes }) => [
    name,
    kind,
    attributes['http.route'] ?? null,
    attributes['url.path'],
    Number(attributes['http.response.status_code']),
    status.code,
  ]);
  // Of the server (2); unset (0), or an error (2) where it is the service's.
  assert.deepEqual(seen, [
    ['POST /api/token', 2, '/api/token', '/api/token', 200, 0],
    ['POST /api/jwt/token', 2, '/api/jwt/token', '/api/jwt/token/', 200, 0],
    ['GET /api/v1/todo/:id(^\\d+$)', 2, '/api/v1/todo/:id(^\\d+$)', '/api/v1/todo/7/', 404, 0],
    ['GET /api/v1/todo', 2, '/api/v1/todo', '/api/v1/todo', 200, 0],
    ['GET /healthz', 2, '/healthz', '/healthz', 200, 0],
    ['POST /api/v1/todo', 2, '/api/v1/todo', '/api/v1/todo', 500, 2],
  ]);
  for (const secret of [...secrets, 'secret-cursor']) assert.ok(!text.includes(secret), `${secret} in the traces`);
});

test('a span belongs to the trace of the caller', async (t) => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const { spans } = await trace(t, async ({ send }) => {
    await send('GET', '/healthz', { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } });
    await send('GET', '/healthz', { headers: { traceparent: 'nonsense' } });
  });
  assert.deepEqual([spans[0]?.traceId, spans[0]?.parentSpanId], [traceId, 'b7ad6b7169203331']);
  assert.ok(spans[1]?.traceId && spans[1].traceId !== traceId && !spans[1].parentSpanId);
});

test('the server sends protobuf as it ends, with the headers that are given, and logs the trace', async (t) => {
  const { received, endpoint } = await startCollector(t);
  const settings = {
    ...(await makeDatabase(t)),
    SHUTDOWN_DELAY: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-team=todo',
    OTEL_SERVICE_NAME: 'our-todos',
  };
  const { child, origin, log } = await startServer(t, { directory: temporaryDirectory(t), settings });
  await fetch(`${origin}/healthz`);
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  assert.deepEqual(await exit, [0, null]);
  const [{ headers, body } = assert.fail('nothing was sent')] = received;
  assert.equal(headers['content-type'], 'application/x-protobuf');
  assert.equal(headers['x-team'], 'todo');
  assert.ok(body.includes('our-todos') && body.includes('GET /healthz'));
  const [, traceId = assert.fail('no trace in the log')] = /"traceId":"([0-9a-f]{32})".*"request"/.exec(log()) ?? [];
  assert.ok(body.includes(Buffer.from(traceId, 'hex')));
});

test('where no collector answers, the service goes on, says so, and ends in time', async (t) => {
  const settings = {
    ...(await makeDatabase(t)),
    SHUTDOWN_DELAY: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
  };
  const { child, origin, log } = await startServer(t, { directory: temporaryDirectory(t), settings });
  assert.equal((await fetch(`${origin}/healthz`)).status, 200);
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  assert.deepEqual(await exit, [0, null]);
  assert.match(log(), /The last spans were not sent: not in time/);
  assert.doesNotMatch(log(), /killed by timeout/);
});

suite('its variables', () => {
  const endpoint = 'http://127.0.0.1:4318';
  const cases: [variables: Record<string, string>, on: boolean][] = [
    [{}, false],
    [{ OTEL_SERVICE_NAME: 'todo' }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }, true],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, false],
    [{ OTEL_SDK_DISABLED: 'True', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, false],
    [{ OTEL_SDK_DISABLED: 'false', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, true],
  ];
  for (const [variables, on] of cases) {
    test(`${JSON.stringify(variables)}: ${on ? 'on' : 'off'}`, () => assert.equal(isTracingOn(variables), on));
  }

  const wrong: [variables: Record<string, string>, message: RegExp][] = [
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, /^OTEL_TRACES_EXPORTER must be otlp or none$/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, /^OTEL_EXPORTER_OTLP_ENDPOINT must be the URL of a collector/],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://' }, /^OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be the URL/],
    [
      { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      /^OTEL_EXPORTER_OTLP_PROTOCOL must be one of http\/protobuf, http\/json$/,
    ],
    [
      { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
      /^OTEL_EXPORTER_OTLP_TRACES_PROTOCOL must be one of/,
    ],
  ];
  for (const [variables, message] of wrong) {
    test(`${JSON.stringify(variables)} stops the start`, async () => {
      await assert.rejects(startTracing(variables, Fastify().log), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
