import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import type { Answer, Send } from '../helper.ts';

export interface RawAnswer {
  /** 0 where the connection was closed without an answer */
  status: number;
  headers: Record<string, string>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests know what they asked for
  body: any;
  /** how many answers came */
  answers: number;
}

const GIVE_UP_MS = 20_000;

/** Stands for the end of what the client sends; without it the connection stays open for more. */
export const END = Symbol('end');

/**
 * Sends bytes as they are on a connection of their own and reads until the service closes it.
 * Rejects where it never does.
 */
export function exchange(origin: string, ...bytes: (string | Buffer | typeof END)[]): Promise<RawAnswer> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      for (const part of bytes) {
        if (part === END) socket.end();
        else socket.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part);
      }
    });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end of the answer to ${bytes.map(String).join('').slice(0, 300)}`));
    }, GIVE_UP_MS);
    socket.on('data', (chunk) => chunks.push(chunk));
    // A reset is a closed connection, too.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(parse(Buffer.concat(chunks).toString()));
    });
  });
}

function parse(received: string): RawAnswer {
  const answers = received.split(/HTTP\/1\.1 (?!100)\d{3} /).length - 1;
  const [head = '', ...rest] = received.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '').split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    const value = line.slice(line.indexOf(':') + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  const text = rest.join('\r\n\r\n');
  const isJson = answers === 1 && headers['content-type']?.startsWith('application/json') && text !== '';
  return {
    status: Number(statusLine.split(' ')[1] ?? 0),
    headers,
    text,
    body: isJson ? JSON.parse(text) : undefined,
    answers,
  };
}

/** The parts of a body in chunks, as HTTP/1.1 transfers one whose length is not told. */
export function chunked(...parts: (string | Buffer)[]): Buffer {
  const chunks = parts
    .map((part) => Buffer.from(part))
    .filter(({ length }) => length > 0)
    .flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
  return Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]);
}

/** A connection that is kept, which costs far less than one for each request. */
export interface Line {
  /** Sends a request as it is; those of one turn go in one piece, and are answered in their order. */
  ask(request: string | Buffer, isHead?: boolean): Promise<RawAnswer>;
  send: Send;
}

/** Where the service closes the connection the next request is sent on another. */
export function keepLine(t: Pick<TestContext, 'after'>, origin: string): Line {
  let line: ReturnType<typeof openLine> | undefined;
  t.after(() => line?.socket.destroy());
  const ask: Line['ask'] = (request, isHead = false) => {
    if (!line?.socket.writable) line = openLine(origin);
    return line.ask(request, isHead);
  };
  const send: Send = async (method, path, { headers = {}, body, json, authorization } = {}) => {
    const content = json === undefined ? body : JSON.stringify(json);
    const lines = Object.entries({
      host: new URL(origin).host,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(authorization === undefined ? {} : { authorization }),
      ...(content === undefined ? {} : { 'content-length': String(Buffer.byteLength(content)) }),
      ...headers,
    }).flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}\r\n`));
    const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
    return (await ask(Buffer.concat([head, Buffer.from(content ?? '')]), method === 'HEAD')) as unknown as Answer;
  };
  return { ask, send };
}

function openLine(origin: string) {
  const { hostname, port } = new URL(origin);
  const waiting: { isHead: boolean; resolve(answer: RawAnswer): void; reject(error: Error): void }[] = [];
  let received = Buffer.alloc(0);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  socket.setTimeout(GIVE_UP_MS, () => socket.destroy());
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    for (let end = endOf(received, waiting); end <= received.length; end = endOf(received, waiting)) {
      const answer = parse(received.toString('utf8', 0, end));
      received = received.subarray(end);
      if (answer.headers.connection === 'close') socket.end();
      waiting.shift()?.resolve(answer);
    }
  });
  socket.on('close', () => {
    waiting.shift()?.resolve(parse(received.toString()));
    for (const { reject } of waiting) reject(new Error('the connection was closed before the answer'));
  });
  return {
    socket,
    ask(request: string | Buffer, isHead: boolean): Promise<RawAnswer> {
      socket.cork();
      process.nextTick(() => socket.uncork());
      socket.write(typeof request === 'string' ? Buffer.from(request, 'latin1') : request);
      return new Promise((resolve, reject) => waiting.push({ isHead, resolve, reject }));
    },
  };
}

/** Where the first answer ends; beyond all where that is not told yet. */
function endOf(received: Buffer, [first]: { isHead: boolean }[]): number {
  const begin = received.indexOf('\r\n\r\n') + 4;
  if (begin < 4) return Number.POSITIVE_INFINITY;
  const head = received.toString('latin1', 0, begin);
  const [, length] = /^content-length: (\d+)\r$/im.exec(head) ?? [];
  if (first?.isHead || /^HTTP\/1\.1 (204|304) /.test(head)) return begin;
  return length === undefined ? Number.POSITIVE_INFINITY : begin + Number(length);
}
