import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Request } from './works.ts';

/** What to send by the clock, whether or not the answers come. */
export interface Flood {
  origin: string;
  connections: number;
  /** requests a second; 0: each connection sends its next when it has its answer */
  rate: number;
  /** in seconds */
  duration: number;
  /** sent in turn */
  requests: Request[];
}

/** Of one status: answers a second, and the milliseconds within which half, 99 % and all of them came. */
export interface Answers {
  rate: number;
  p50: number;
  p99: number;
  max: number;
}

export interface Flooded {
  /** by status */
  answers: Record<string, Answers>;
  /** of 2xx, in each second */
  accepted: number[];
  /** requests a second that found no connection free */
  unsent: number;
}

const flood: Flood = JSON.parse(process.env.FLOOD as string);
const { hostname, port } = new URL(flood.origin);
const requests = flood.requests.map(({ method, path, headers, body = '' }) => {
  const lines = Object.entries({ Host: '127.0.0.1', 'Content-Length': Buffer.byteLength(body), ...headers });
  const head = `${method} ${path} HTTP/1.1\r\n${lines.map((line) => `${line.join(': ')}\r\n`).join('')}\r\n`;
  return { bytes: Buffer.from(head + body), hasBody: method !== 'HEAD' };
});

// As Node writes it.
const CONTENT_LENGTH = 'ontent-length: ';
const EMPTY = Buffer.alloc(0);

const times: Record<string, number[]> = {};
const accepted: number[] = [];
const idle: (() => void)[] = [];
let begin = 0;
let sent = 0;
let unsent = 0;

const sockets = await Promise.all(Array.from({ length: flood.connections }, open));
begin = performance.now();
if (flood.rate === 0) for (const ask of idle.splice(0)) ask();
else await sendByTheClock();
await new Promise((resolve) => setTimeout(resolve, begin + flood.duration * 1000 - performance.now()));
for (const socket of sockets) socket.destroy();

const answers = Object.entries(times).map(([status, ms]): [string, Answers] => {
  ms.sort((a, b) => a - b);
  const at = (share: number) => ms[Math.min(ms.length - 1, Math.floor(ms.length * share))] as number;
  return [status, { rate: ms.length / flood.duration, p50: at(0.5), p99: at(0.99), max: at(1) }];
});
const result: Flooded = { answers: Object.fromEntries(answers), accepted, unsent: unsent / flood.duration };
console.log(JSON.stringify(result));

async function sendByTheClock() {
  for (;;) {
    const elapsed = (performance.now() - begin) / 1000;
    if (elapsed >= flood.duration) return;
    for (const due = Math.floor(elapsed * flood.rate); sent + unsent < due; ) {
      const ask = idle.shift();
      if (ask) ask();
      else unsent = due - sent;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Of the body, by the header. */
function lengthOf(head: Buffer): number {
  const at = head.indexOf(CONTENT_LENGTH);
  return at === -1 ? 0 : Number(head.toString('latin1', at + CONTENT_LENGTH.length, head.indexOf('\r', at)));
}

/** A connection that has one request under way at most. */
async function open(): Promise<Socket> {
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.setNoDelay();
  // Node accepts one connection in a turn of its event loop; the system says sooner that it stands.
  socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await once(socket, 'data');
  let began = 0;
  let hasBody = true;
  let received = EMPTY;

  function ask() {
    const request = requests[sent++ % requests.length] as (typeof requests)[number];
    began = performance.now();
    hasBody = request.hasBody;
    socket.write(request.bytes);
  }

  socket.on('data', (chunk) => {
    received = received.length > 0 ? Buffer.concat([received, chunk]) : chunk;
    const end = received.indexOf('\r\n\r\n');
    if (end === -1 || received.length < end + 4 + (hasBody ? lengthOf(received.subarray(0, end + 2)) : 0)) return;
    const status = received.toString('latin1', 9, 12);
    received = EMPTY;
    const now = performance.now();
    times[status] ??= [];
    times[status].push(now - began);
    if (status.startsWith('2')) {
      const second = Math.floor((now - begin) / 1000);
      accepted[second] = (accepted[second] ?? 0) + 1;
    }
    if (flood.rate === 0) ask();
    else idle.push(ask);
  });
  const fail = (reason: string) => () => {
    if (performance.now() - begin < flood.duration * 1000) throw new Error(`A connection ${reason}.`);
  };
  socket.on('error', fail('failed')).on('close', fail('was closed'));
  idle.push(ask);
  return socket;
}
