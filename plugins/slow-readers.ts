import type { Socket } from 'node:net';
import fp from 'fastify-plugin';
import { Unavailable } from '../src/errors.ts';
import { addressKey } from '../src/login-throttle.ts';

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
// So many bytes may wait for the clients of one address (of IPv6, one /64), and for all of them. More is refused, and the slowest of
// those that have waited for a second are closed.
const MAX_FOR_ADDRESS = 16 * 2 ** 20;
const MAX_FOR_ALL = 64 * 2 ** 20;
const CLOSED_AFTER_MS = 1_000;
const SMALL_BYTES = 4096;

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
 * Closes the connections of clients that read their answers too slowly. Where too many bytes wait to be read, more
 * requests are refused, and the slowest clients are closed first.
 */
export default fp(
  async (fastify) => {
    const readers = new Map<Socket, Reader>();
    // At most so many bytes wait: what was sent since the last look may have been read.
    let forAll = 0;
    let forAddress = new Map<string, number>();
    const timer = setInterval(look, EVERY_MS).unref();
    fastify.decorate('closedReaders', 0);
    fastify.addHook('onClose', async () => clearInterval(timer));
    fastify.addHook('onRequest', (request, _reply, done) => {
      const isTooMuch = () => forAll > MAX_FOR_ALL || (forAddress.get(addressKey(request.ip)) ?? 0) > MAX_FOR_ADDRESS;
      if (forAll <= MAX_FOR_ADDRESS || request.routeOptions.config.always || !isTooMuch()) return done();
      look();
      if (!isTooMuch()) return done();
      fastify.shedRequests++;
      done(new Unavailable());
    });
    fastify.addHook('onSend', (request, _reply, payload, done) => {
      const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : 0;
      if (bytes > SMALL_BYTES) add(request.raw.socket, addressKey(request.ip), bytes);
      done(null, payload);
    });

    function add(socket: Socket, address: string, bytes: number): void {
      forAll += bytes;
      forAddress.set(address, (forAddress.get(address) ?? 0) + bytes);
      const reader = readers.get(socket);
      if (reader) {
        reader.address = address;
        return;
      }
      readers.set(socket, { socket, address, waiting: 0, since: 0, readBefore: 0, rate: 0 });
      socket.once('close', () => readers.delete(socket));
    }

    function look(): void {
      const now = performance.now();
      const waiting = [...readers.values()].filter((reader) => measure(reader, now) > 0);
      const isLate = ({ since, rate }: Reader) =>
        now - since > MAX_WAIT_MS || (now - since > GRACE_MS && rate < MIN_BYTES_PER_SECOND);
      forAll = 0;
      forAddress = new Map();
      // Those that read fast come first, and what they have waiting is let be.
      for (const reader of waiting.sort((one, other) => other.rate - one.rate)) {
        const { socket, address, since } = reader;
        const ofAddress = (forAddress.get(address) ?? 0) + reader.waiting;
        const isTooMuch = ofAddress > MAX_FOR_ADDRESS || forAll + reader.waiting > MAX_FOR_ALL;
        if (isLate(reader) || (isTooMuch && now - since > CLOSED_AFTER_MS)) {
          fastify.closedReaders++;
          socket.destroy();
        } else {
          forAll += reader.waiting;
          forAddress.set(address, ofAddress);
        }
      }
    }
  },
  { name: 'slow-readers', dependencies: ['overload'] },
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
