import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { isMissing, isUniqueViolation, type Prisma } from './database/index.ts';
import { type Login, noteLogin } from './users.ts';

/** 160 bits in hex, the form of Django REST Framework's authtoken. */
export const API_TOKEN = /^[0-9a-f]{40}$/;

/** What the database keeps of a key: its SHA-256 in hex. A key has 160 random bits, so it needs no salt. */
export function digestApiToken(key: string): string {
  return hash('sha256', key);
}

function deriveKey(secretKey: string, nonce: string): string {
  return createHmac('sha256', secretKey).update(`todo-api/api-token/${nonce}`).digest('hex').slice(0, 40);
}

/**
 * The user's default API token, the same each time. It is derived from the secret and a stored nonce,
 * and so can be shown again though only its digest is kept; where the secret has changed since, a new
 * one takes its place. Undefined where the user is no longer as `user` says.
 */
export async function obtainApiToken(
  prisma: Prisma,
  secretKey: string,
  user: Login | { id: number },
): Promise<string | undefined> {
  for (;;) {
    const stored = await prisma.apiToken.findFirst({ where: { userId: user.id, nonce: { not: null } } });
    const key = stored?.nonce ? deriveKey(secretKey, stored.nonce) : undefined;
    const isGood = stored && key && timingSafeEqual(Buffer.from(digestApiToken(key)), Buffer.from(stored.digest));
    const nonce = randomBytes(20).toString('hex');
    const data = { nonce, digest: digestApiToken(deriveKey(secretKey, nonce)), createdAt: new Date() };
    const login = 'password' in user ? [noteLogin(prisma, user)] : [];
    try {
      if (isGood) {
        await prisma.$transaction(login);
        return key;
      }
      const change = stored
        ? prisma.apiToken.updateMany({ where: { id: stored.id, digest: stored.digest }, data })
        : prisma.apiToken.create({ data: { userId: user.id, name: 'default', ...data } });
      await prisma.$transaction([...login, change]);
    } catch (error) {
      if (isMissing(error)) return undefined;
      // Another request made it first: the next round reads what it made.
      if (!isUniqueViolation(error)) throw error;
    }
  }
}

/** Ends the user's default API token, so that the next one obtained is new. */
export async function endApiToken(prisma: Prisma, userId: number): Promise<void> {
  await prisma.apiToken.deleteMany({ where: { userId, nonce: { not: null } } });
}
