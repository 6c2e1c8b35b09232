import type { Config } from './config.ts';
import type { Prisma } from './database/index.ts';
import { deleteExpiredCounts } from './login-throttle.ts';
import { flushExpiredSessions, lifetimesOf } from './sessions.ts';

/** Deletes what has expired: sessions, API tokens, idempotency keys, and counts of attempts. Gives the number of sessions. */
export async function deleteExpired(prisma: Prisma, config: Config): Promise<number> {
  await deleteExpiredCounts(prisma);
  await prisma.apiToken.deleteMany({ where: { expiresAt: { lte: new Date() } } });
  await prisma.idempotencyKey.deleteMany({ where: { expiresAt: { lte: new Date() } } });
  return flushExpiredSessions(prisma, lifetimesOf(config));
}
