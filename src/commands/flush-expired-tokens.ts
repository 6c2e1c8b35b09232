import type { Command } from 'commander';
import { withDatabase } from '../console.ts';
import { deleteExpired } from '../housekeeping.ts';

export function flushExpiredTokens(program: Command) {
  program
    .command('flushexpiredtokens')
    .description('delete the sessions and tokens that have expired, which a running service does itself')
    .action(() =>
      withDatabase(async (prisma, config) => {
        console.log(`Expired sessions deleted: ${await deleteExpired(prisma, config)}`);
      }),
    );
}
