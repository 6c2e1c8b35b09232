import { availableParallelism } from 'node:os';
import { hash, parseOptions, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { ClientGone, Unavailable } from './errors.ts';

// argon2id (2) of version 0x13 (1) in the library's numbers, with OWASP's parameters.
const PARAMETERS = { algorithm: 2, version: 1, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

// Each hash takes 19 MiB, a core, which the event loop needs too, and a thread of libuv's pool of four,
// which file and name look-ups need.
const limit = pLimit(Math.max(1, Math.min(availableParallelism() - 1, 3)));
const MAX_WAITING = 100;

/** How many hashes can be under way in this process; more are refused. */
export const MAX_HASHES = limit.concurrency + MAX_WAITING;

// Of a password that nobody knows; stands in for the hash of a user who does not exist, at the same cost.
const PLACEHOLDER = '$argon2id$v=19$m=19456,t=2,p=1$IzRQ/8/sNS8q+CGMD3ZG0g$WsrhNmvo1l+FYAqtfewnkkaP+Wm+ksoERNmDMOKziYI';

/**
 * The argon2id hash of a password in PHC form, computed off the event loop, a few at a time.
 * @throws {Unavailable} at once, where too many wait
 */
export function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password, PARAMETERS));
}

/**
 * Whether the password has this hash. With no hash the answer is no, at the same cost.
 * @throws {Unavailable} at once, where too many wait
 * @throws {ClientGone} where nobody waits for the answer any more when its turn comes
 */
export function verifyPassword(
  passwordHash: string | undefined,
  password: string,
  isAwaited = () => true,
): Promise<boolean> {
  return inTurn(async () => {
    if (!isAwaited()) throw new ClientGone();
    const isRight = await verify(passwordHash ?? PLACEHOLDER, password).catch(() => false);
    return isRight && passwordHash !== undefined;
  });
}

/** Whether a hash was made with other parameters than today's. */
export function needsRehash(passwordHash: string): boolean {
  const options = parseOptions(passwordHash);
  return Object.entries(PARAMETERS).some(([name, value]) => options[name as keyof typeof PARAMETERS] !== value);
}

async function inTurn<Result>(job: () => Promise<Result>): Promise<Result> {
  checkQueue();
  return limit(job);
}

/**
 * For who has work to do before a hash, which would be in vain.
 * @throws {Unavailable} where too many wait
 */
export function checkQueue(): void {
  if (isHashQueueFull()) refuseHash();
}

/** Whether so many wait that one more is refused. */
export function isHashQueueFull(): boolean {
  return limit.pendingCount >= MAX_WAITING;
}

let refused = 0;

/** Counts a password that is not hashed, as too many wait. */
export function countRefusedHash(): void {
  refused++;
}

/**
 * Refuses to hash a password, as too many wait, and counts it.
 * @throws {Unavailable}
 */
export function refuseHash(): never {
  countRefusedHash();
  throw new Unavailable();
}

/** How many hashes are under way and wait in this process, and how many were refused since it began. */
export function passwordQueue(): { running: number; waiting: number; refused: number } {
  return { running: limit.activeCount, waiting: limit.pendingCount, refused };
}
