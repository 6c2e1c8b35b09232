import type { Command } from 'commander';
import { confirm, findUser, print, type Shell, withDatabase } from '../console.ts';
import { CommandError } from '../errors.ts';
import { deleteUser as remove } from '../users.ts';

export function deleteUser(program: Command, shell: Shell) {
  program
    .command('deleteuser <username>')
    .description('delete a user with their todos, tokens and sessions')
    .option('-y, --yes', 'do not ask')
    .action((username: string, { yes }: { yes?: boolean }) =>
      withDatabase(shell, async (prisma) => {
        const user = await findUser(prisma, username);
        if (!yes && shell.stdin.isTTY && !(await confirm(shell, `Delete ${user.username} and all their todos?`))) {
          throw new CommandError('Cancelled.');
        }
        if (!(await remove(prisma, user.id))) {
          throw new CommandError(`${user.username} is the last active superuser, who cannot be deleted.`);
        }
        print(shell, `User ${user.username} deleted.`);
      }),
    );
}
