import { connect } from 'node:net';

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
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
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
