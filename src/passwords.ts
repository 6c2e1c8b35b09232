import { availableParallelism } from 'node:os';
import { hash, parseOptions, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';

// argon2id (2) of version 0x13 (1) in the library's numbers, with OWASP's parameters.
const PARAMETERS = { algorithm: 2, version: 1, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

// Each hash takes 19 MiB and a thread of libuv's pool of four, which file and name look-ups need too.
const limit = pLimit(Math.min(availableParallelism(), 3));

// Of a password that nobody knows; stands in for the hash of a user who does not exist, at the same cost.
const PLACEHOLDER = '$argon2id$v=19$m=19456,t=2,p=1$IzRQ/8/sNS8q+CGMD3ZG0g$WsrhNmvo1l+FYAqtfewnkkaP+Wm+ksoERNmDMOKziYI';

/** The argon2id hash of a password in PHC form, computed off the event loop, a few at a time. */
export function hashPassword(password: string): Promise<string> {
  return limit(() => hash(password, PARAMETERS));
}

/** Whether the password has this hash. With no hash the answer is no, at the same cost. */
export function verifyPassword(passwordHash: string | undefined, password: string): Promise<boolean> {
  return limit(async () => {
    const isRight = await verify(passwordHash ?? PLACEHOLDER, password).catch(() => false);
    return isRight && passwordHash !== undefined;
  });
}

/** Whether a hash was made with other parameters than today's. */
export function needsRehash(passwordHash: string): boolean {
  const options = parseOptions(passwordHash);
  return Object.entries(PARAMETERS).some(([name, value]) => options[name as keyof typeof PARAMETERS] !== value);
}
