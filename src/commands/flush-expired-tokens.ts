import type { Command } from 'commander';
import { print, type Shell, withDatabase } from '../console.ts';
import { deleteExpired } from '../housekeeping.ts';

export function flushExpiredTokens(program: Command, shell: Shell) {
  program
    .command('flushexpiredtokens')
    .description('delete the sessions and tokens that have expired, which a running service does itself')
    .action(() =>
      withDatabase(shell, async (prisma, config) => {
        print(shell, `Expired sessions deleted: ${await deleteExpired(prisma, config)}`);
      }),
    );
}
