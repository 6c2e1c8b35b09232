import { availableParallelism } from 'node:os';
import { hash, parseOptions, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';

// argon2id (2) of version 0x13 (1) in the library's numbers, with OWASP's parameters.
const PARAMETERS = { algorithm: 2, version: 1, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

// Each hash takes 19 MiB and a thread of libuv's pool of four, which file and name look-ups need too.
const limit = pLimit(Math.min(availableParallelism(), 3));

// Stands in for the hash of a user who does not exist, so that both cost the same.
const placeholder = hash(crypto.randomUUID(), PARAMETERS);

/** The argon2id hash of a password in PHC form, computed off the event loop, a few at a time. */
export function hashPassword(password: string): Promise<string> {
  return limit(() => hash(password, PARAMETERS));
}

/** Whether the password has this hash. With no hash the answer is no, at the same cost. */
export function verifyPassword(passwordHash: string | undefined, password: string): Promise<boolean> {
  return limit(async () => {
    const isRight = await verify(passwordHash ?? (await placeholder), password).catch(() => false);
    return isRight && passwordHash !== undefined;
  });
}

/** Whether a hash was made with other parameters than today's. */
export function needsRehash(passwordHash: string): boolean {
  const options = parseOptions(passwordHash);
  return Object.entries(PARAMETERS).some(([name, value]) => options[name as keyof typeof PARAMETERS] !== value);
}
