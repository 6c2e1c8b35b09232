import type { Command } from 'commander';
import { withDatabase } from '../console.ts';
import { flushExpiredSessions } from '../sessions.ts';

export function flushExpiredTokens(program: Command) {
  program
    .command('flushexpiredtokens')
    .description('delete the sessions that have expired')
    .action(() =>
      withDatabase(async (prisma, config) => {
        const lifetimes = { access: config.JWT_ACCESS_TTL, refresh: config.JWT_REFRESH_TTL };
        console.log(`Expired sessions deleted: ${await flushExpiredSessions(prisma, lifetimes)}`);
      }),
    );
}
