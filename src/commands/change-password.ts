import type { Command } from 'commander';
import { findUser, type PasswordOptions, print, readNewPassword, type Shell, withDatabase } from '../console.ts';
import { CommandError } from '../errors.ts';
import { changePassword as change } from '../users.ts';

export function changePassword(program: Command, shell: Shell) {
  program
    .command('changepassword <username>')
    .description("set a user's password, and end all their tokens and sessions")
    .option('--password-stdin', 'read the password from standard input')
    .action((username: string, options: PasswordOptions) =>
      withDatabase(shell, async (prisma) => {
        const user = await findUser(prisma, username);
        const password = await readNewPassword(shell, options, user);
        if (!(await change(prisma, { id: user.id }, password))) {
          throw new CommandError(`User ${user.username} was deleted meanwhile.`);
        }
        print(shell, `Password of ${user.username} changed.`);
      }),
    );
}
