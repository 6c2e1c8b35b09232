import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../src/config.ts';
import { openDatabase } from '../src/database/index.ts';
import { createUser } from '../src/users.ts';
import { machine, median, table, writeResults } from './report.ts';
import { memoryOf, SERVICE, type Server, withServers } from './servers.ts';

/**
 * Proves that hostile clients hold up nobody: the worst bodies of each type, one after the other; many bodies whose
 * last byte is held back and comes at once; and clients that ask for much and hardly read.
 */
const LIMIT = 256 * 1024;
const PASSWORD = 'wintry-marble-otter-51';
const TIMES = 15;
// Of a body, beside one that holds one long text.
const MAX_COST = 10;
const MAX_HEALTH_MS = 1000;
const MAX_READERS_MB = 150;

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const MULTIPART_TYPE = 'multipart/form-data; boundary=b';
const fill = (unit: string, rest = '') => unit.repeat(Math.floor((LIMIT - rest.length - 40) / Buffer.byteLength(unit)));
const field = (value: string, lines = '') =>
  `--b\r\nContent-Disposition: form-data; name="title"\r\n${lines}\r\n${value}\r\n`;

const PLAIN = 'one long text';
const BODIES: [what: string, type: string, body: string][] = [
  [PLAIN, JSON_TYPE, `{"title": "${fill('x')}"}`],
  ['numbers', JSON_TYPE, `{${fill('"0":0,')}"0":0}`],
  ['as many numbers as may be', JSON_TYPE, `{${`"n":${'1'.repeat(250)},`.repeat(990)}"title": ""}`],
  ['a list of numbers', JSON_TYPE, `{"title": [${fill('1,')}1]}`],
  ['levels', JSON_TYPE, `${fill('[')}`],
  ['a number and a long text', JSON_TYPE, `{"n": 1, "title": "${fill('x')}"}`],
  ['escapes', JSON_TYPE, `{"n": 1, "title": "${fill('\\"')}"}`],
  ['spaces', JSON_TYPE, `{"title": "${fill(' ')}"}`],
  ['a long number', JSON_TYPE, `{"title": ${fill('9')}}`],
  ['marks', JSON_TYPE, `{"title": "${fill('\u0345\u031b')}"}`],
  ['fields', FORM_TYPE, `${fill('a=&')}`],
  [
    'names',
    FORM_TYPE,
    Array.from({ length: 40_000 }, (_, i) => `a${i}`)
      .join('&')
      .slice(0, LIMIT),
  ],
  ['percent codes', FORM_TYPE, `title=${fill('%41')}`],
  ['bad percent codes', FORM_TYPE, `title=${fill('%')}`],
  ['plus signs', FORM_TYPE, `title=${fill('+')}`],
  ['parts', MULTIPART_TYPE, `${field('a').repeat(3000)}--b--\r\n`],
  ['tiny parts', MULTIPART_TYPE, `${fill('--b\r\n\r\n\r\n')}--b--\r\n`],
  ['boundaries', MULTIPART_TYPE, fill('--b\r\n')],
  ['a long part', MULTIPART_TYPE, `${field(fill('x', field('')))}--b--\r\n`],
  ['line ends', MULTIPART_TYPE, `${field(fill('\r\n', field('')))}--b--\r\n`],
  ['part headers', MULTIPART_TYPE, `${field('a', fill('X-A: x\r\n', field('')))}--b--\r\n`],
];

const write = process.argv.includes('--write');

await withServers('proof:hostile', async (servers) => {
  const settings = { DATABASE_URL: `file:${servers.directory}/todo.db`, SHUTDOWN_DELAY: '0', LOG_LEVEL: 'warn' };
  const { prisma, close } = await openDatabase(loadConfig(settings, servers.directory));
  const { id } = await createUser(prisma, { username: 'paul', email: '', password: PASSWORD, isSuperuser: false });
  const todo = { ownerId: id, title: 'long', body: 'x'.repeat(10_000), dateCreated: '2026-11-27' };
  await prisma.todo.createMany({ data: Array.from({ length: 100 }, () => todo) });
  await close();
  const service = await servers.start(SERVICE, settings);
  const json = JSON.stringify({ username: 'paul', password: PASSWORD });
  const login = await fetch(`${service.origin}/api/token`, {
    method: 'POST',
    headers: { 'content-type': JSON_TYPE },
    body: json,
  });
  const authorization = `Token ${((await login.json()) as { token: string }).token}`;

  const costs = await costOfBodies(service.origin, authorization);
  const plain = costs.get(PLAIN) as number;
  const rows = [...costs].map(([what, ms]) => [what, ms.toFixed(2), (ms / plain).toFixed(1)]);
  const bodies = table(['body of 256 KiB', 'ms', `of ${PLAIN}`], rows);
  const health = await holdBack(service, authorization);
  const { before, most } = await readSlowly(service, authorization);
  const others = table(
    ['attack', 'measure', 'value'],
    [
      ['400 bodies of which the last byte comes at once', 'longest `/healthz`, ms', health.toFixed(0)],
      ['300 clients that ask for 8 pages of 1 MB and read 67 bytes a second', 'memory before, MB', before.toFixed(0)],
      ['', 'memory at most, MB', most.toFixed(0)],
    ],
  );
  const text = `${machine(['fastify'])}\n\n${bodies}\n\n${others}`;
  console.log(text);
  if (write) writeResults('hostile', text);
  const isProven =
    [...costs.values()].every((ms) => ms <= MAX_COST * plain) &&
    health <= MAX_HEALTH_MS &&
    most - before <= MAX_READERS_MB;
  console.log(isProven ? '\nProven.' : '\nNot proven.');
  process.exitCode = isProven ? 0 : 1;
});

/** Milliseconds of the answer to each body on a kept connection, the median of several. */
async function costOfBodies(origin: string, authorization: string): Promise<Map<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const costs = new Map<string, number>();
  for (const [what, type, body] of [...BODIES.slice(0, 1), ...BODIES]) {
    const times: number[] = [];
    for (let i = 0; i < TIMES; i++) {
      const begin = performance.now();
      const headers = { authorization, 'content-type': type, 'content-length': Buffer.byteLength(body) };
      const outgoing = request(`${origin}/api/v1/todo/`, { method: 'POST', agent, headers }).end(body);
      const [incoming] = await once(outgoing, 'response');
      await once(incoming.resume(), 'end');
      times.push(performance.now() - begin);
    }
    costs.set(what, median(times));
  }
  agent.destroy();
  return costs;
}

function open({ origin }: Server): Promise<Socket> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => resolve(socket)).on('error', () => {});
  });
}

/** The longest that `/healthz` takes while many bodies come to their end at once, in ms. */
async function holdBack(service: Server, authorization: string): Promise<number> {
  const [, type, body] = BODIES[2] as (typeof BODIES)[number];
  const sockets = await Promise.all(Array.from({ length: 400 }, () => open(service)));
  for (const socket of sockets) {
    socket
      .resume()
      .write(
        `POST /api/v1/todo/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\n` +
          `Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, -1)}`,
      );
  }
  await sleep(3000);
  // Some were refused by then.
  const closed = sockets.map((socket) => socket.destroyed || once(socket, 'close'));
  for (const socket of sockets) socket.write(body.slice(-1));
  let isOver = false;
  Promise.all(closed).then(() => {
    isOver = true;
  });
  let longest = 0;
  while (!isOver) {
    const begin = performance.now();
    await (await fetch(`${service.origin}/healthz`)).arrayBuffer();
    longest = Math.max(longest, performance.now() - begin);
  }
  return longest;
}

/** The memory of the service, in MB, before and at most while clients hardly read what they asked for. */
async function readSlowly(service: Server, authorization: string): Promise<{ before: number; most: number }> {
  const before = await memoryOf(service.pid);
  const asked = `GET /api/v1/todo/?limit=100 HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`;
  const sockets = await Promise.all(Array.from({ length: 300 }, () => open(service)));
  for (const socket of sockets) {
    socket.pause();
    socket.write(asked.repeat(8));
  }
  let most = before;
  for (let i = 0; i < 40; i++) {
    for (const socket of sockets) socket.read(17);
    await sleep(250);
    most = Math.max(most, await memoryOf(service.pid));
  }
  for (const socket of sockets) socket.destroy();
  return { before, most };
}
