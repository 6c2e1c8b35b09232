import { createHash } from 'node:crypto';
import { Mutex } from 'async-mutex';
import ipaddr from 'ipaddr.js';
import type { Prisma } from './database/index.ts';
import { Throttled } from './errors.ts';
import { MAX_HASHES, refuseHash } from './passwords.ts';
import { normaliseUsername } from './users.ts';
import { RateLimiterPrisma, RateLimiterRes } from './vendor/rate-limiter-flexible.ts';

const FAILURES_WINDOW = 15 * 60;
const REGISTRATIONS = { points: 20, seconds: 60 * 60 };
// How long a refusal is repeated without a look: another process may have given points back.
const KNOWN_FOR_MS = 5000;
const MAX_KNOWN = 10_000;

/** What limits attempts at passwords. The counts are the database's, and so those of all processes. */
export interface LoginThrottle {
  /**
   * Runs a login that counts as failed from before it begins, and no longer where it succeeds or throws.
   * @throws {Throttled} {Unavailable} and does not run it
   */
  logIn<Attempt extends { login?: unknown }>(
    address: string | undefined,
    username: string,
    attempt: () => Promise<Attempt>,
  ): Promise<Attempt>;
  /**
   * Counts an attempt to register.
   * @throws {Throttled}
   */
  register(address: string | undefined): Promise<void>;
}

/** Limits failed logins as a user from an address, failed logins from an address, and registrations from it. */
export function createLoginThrottle(prisma: Prisma, failures: { perUser: number; perAddress: number }): LoginThrottle {
  const pairs = createLimit(prisma, 'login-user', failures.perUser, FAILURES_WINDOW);
  const addresses = createLimit(prisma, 'login-address', failures.perAddress, FAILURES_WINDOW);
  const registrations = createLimit(prisma, 'registration', REGISTRATIONS.points, REGISTRATIONS.seconds);
  const turns = new Map<string, Mutex>();
  let underWay = 0;

  /** Attempts at one pair run one after another: those that will succeed would count as failed meanwhile. */
  async function inTurn<Result>(pair: string, run: () => Promise<Result>): Promise<Result> {
    const turn = turns.get(pair) ?? new Mutex();
    turns.set(pair, turn);
    try {
      return await turn.runExclusive(run);
    } finally {
      if (!turn.isLocked()) turns.delete(pair);
    }
  }

  return {
    async logIn(address, username, attempt) {
      const place = digest(addressKey(address));
      const pair = digest(`${place} ${normaliseUsername(username)}`);
      const end = Math.max(pairs.knownEnd(pair), addresses.knownEnd(place));
      if (end > Date.now()) throw throttledUntil(end);
      // Counting is writing: not for a login that could not be hashed anyway.
      if (underWay >= MAX_HASHES) refuseHash();
      underWay++;
      try {
        return await inTurn(pair, async () => {
          // The pair first: who goes on past its limit does not use up the address, which others share.
          const uncountPair = await pairs.take(pair);
          const uncountAddress = await addresses.take(place).catch(async (error) => {
            await uncountPair();
            throw error;
          });
          const result = await attempt().catch(async (error) => {
            await Promise.allSettled([uncountPair(), uncountAddress()]);
            throw error;
          });
          if (result.login) await Promise.all([pairs.clear(pair), uncountAddress()]);
          return result;
        });
      } finally {
        underWay--;
      }
    },
    async register(address) {
      const key = digest(addressKey(address));
      const end = registrations.knownEnd(key);
      if (end > Date.now()) throw throttledUntil(end);
      await registrations.take(key);
    },
  };
}

/** Deletes the counts whose window is over. */
export async function deleteExpiredCounts(prisma: Prisma): Promise<void> {
  await prisma.rateLimit.deleteMany({ where: { expire: { lte: new Date() } } });
}

/**
 * What counts as one address: an IPv4 address, as IPv6 too (RFC 4291, 2.5.5.2), and of IPv6 the /64,
 * all of which a subscriber has. Some proxies add a port.
 */
export function addressKey(address = ''): string {
  const bare = address.replace(/^(?:\[(.*)\]|([\d.]+))(?::\d+)?$/, '$1$2');
  if (!ipaddr.isValid(bare)) return address;
  const parsed = ipaddr.process(bare);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}

/** At most so many points a key in a window of so many seconds, which begins with the first. */
function createLimit(prisma: Prisma, name: string, points: number, seconds: number) {
  const limiter = new RateLimiterPrisma({
    storeClient: prisma,
    tableName: 'rateLimit',
    keyPrefix: name,
    points,
    duration: seconds,
    clearExpiredByTimeout: false,
  });
  // When the window of a key ends that is past its limit: to refuse it again takes no database for a while.
  const known = new Map<string, { end: number; until: number }>();

  /** Counts, and gives the function that takes it back. */
  async function take(key: string): Promise<() => Promise<void>> {
    const { consumedPoints, msBeforeNext } = await limiter.consume(key).catch((refusal) => {
      if (refusal instanceof RateLimiterRes) return refusal;
      throw refusal;
    });
    const end = Date.now() + msBeforeNext;
    const giveBack = async () => {
      known.delete(key);
      // Never to a later window, which ends later.
      const expire = { lt: new Date(end + 1000) };
      const where = { key: limiter.getKey(key), expire, points: { gt: 0 } };
      await prisma.rateLimit.updateMany({ where, data: { points: { decrement: 1 } } });
    };
    if (consumedPoints <= points) return giveBack;
    await giveBack();
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(key, { end, until: Date.now() + KNOWN_FOR_MS });
    throw throttledUntil(end);
  }

  return {
    take,
    async clear(key: string): Promise<void> {
      known.delete(key);
      await limiter.delete(key);
    },
    /** When the window of a key ends that was past its limit just now; 0 for others. */
    knownEnd(key: string): number {
      const { end, until } = known.get(key) ?? { end: 0, until: 0 };
      return until > Date.now() ? end : 0;
    },
  };
}

function throttledUntil(end: number): Throttled {
  return new Throttled(Math.max(1, Math.ceil((end - Date.now()) / 1000)));
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
