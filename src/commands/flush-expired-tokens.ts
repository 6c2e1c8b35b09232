import type { Command } from 'commander';
import { withDatabase } from '../console.ts';
import { deleteExpiredCounts } from '../login-throttle.ts';
import { flushExpiredSessions, lifetimesOf } from '../sessions.ts';

export function flushExpiredTokens(program: Command) {
  program
    .command('flushexpiredtokens')
    .description('delete the sessions that have expired, and counts of failed logins that are over')
    .action(() =>
      withDatabase(async (prisma, config) => {
        await deleteExpiredCounts(prisma);
        console.log(`Expired sessions deleted: ${await flushExpiredSessions(prisma, lifetimesOf(config))}`);
      }),
    );
}
