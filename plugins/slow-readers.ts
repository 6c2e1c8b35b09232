import type { Socket } from 'node:net';
import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    /** How many connections this process has closed, as their clients read too slowly. */
    closedReaders: number;
  }
}

const EVERY_MS = 500;
// What waits is to be read in this time, and at this rate after a while.
const MAX_WAIT_MS = 120_000;
const GRACE_MS = 5_000;
const MIN_BYTES_PER_SECOND = 4096;
// So many bytes may wait for the clients of one address, and for all of them.
const MAX_FOR_ADDRESS = 16 * 2 ** 20;
const MAX_FOR_ALL = 64 * 2 ** 20;

interface Reader {
  socket: Socket;
  address: string;
  /** bytes that lie in memory until it has read them */
  waiting: number;
  /** when they were first seen to wait, in ms, and how many it had read by then */
  since: number;
  readBefore: number;
  /** bytes it has read a second since then */
  rate: number;
}

/**
 * Closes the connections of clients that read their answers too slowly. Where too many bytes wait to be read, the
 * slowest are closed first.
 */
export default fp(
  async (fastify) => {
    const readers = new Map<Socket, Reader>();
    const timer = setInterval(look, EVERY_MS).unref();
    fastify.decorate('closedReaders', 0);
    fastify.addHook('onClose', async () => clearInterval(timer));
    fastify.addHook('onSend', (request, _reply, payload, done) => {
      const { socket } = request.raw;
      if (!readers.has(socket)) socket.once('close', () => readers.delete(socket));
      const reader = readers.get(socket) ?? { socket, waiting: 0, since: 0, readBefore: 0, rate: 0, address: '' };
      reader.address = request.ip;
      readers.set(socket, reader);
      done(null, payload);
    });

    function look(): void {
      const now = performance.now();
      const waiting = [...readers.values()].filter((reader) => measure(reader, now) > 0);
      const isLate = ({ since, rate }: Reader) =>
        now - since > MAX_WAIT_MS || (now - since > GRACE_MS && rate < MIN_BYTES_PER_SECOND);
      const late = waiting.filter(isLate);
      const others = waiting.filter((reader) => !isLate(reader)).sort((one, other) => other.rate - one.rate);
      for (const reader of [...late, ...beyond(others)]) {
        fastify.closedReaders++;
        reader.socket.destroy();
      }
    }
  },
  { name: 'slow-readers' },
);

/** Brings a reader up to date. Returns the bytes that wait for it. */
function measure(reader: Reader, now: number): number {
  const { socket, waiting, readBefore } = reader;
  const read = readBytes(socket);
  reader.waiting = socket.writableLength;
  // What waited has been read.
  if (waiting === 0 || read - readBefore >= waiting)
    Object.assign(reader, { since: now, readBefore: read, rate: Infinity });
  else reader.rate = ((read - readBefore) * 1000) / (now - reader.since);
  return reader.waiting;
}

/** The bytes that have left this process for a client. Node tells no more in public than when all of a write has. */
function readBytes(socket: Socket): number {
  const { _bytesDispatched: sent = 0, _handle: handle } = socket as Socket & {
    _bytesDispatched?: number;
    _handle?: { writeQueueSize?: number } | null;
  };
  return sent - (handle?.writeQueueSize ?? 0);
}

/** Those beyond what may wait, of readers that stand in the order of their rates. */
function beyond(readers: Reader[]): Reader[] {
  const forAddress = new Map<string, number>();
  let forAll = 0;
  return readers.filter(({ address, waiting }) => {
    const bytes = (forAddress.get(address) ?? 0) + waiting;
    if (bytes > MAX_FOR_ADDRESS || forAll + waiting > MAX_FOR_ALL) return true;
    forAddress.set(address, bytes);
    forAll += waiting;
    return false;
  });
}
