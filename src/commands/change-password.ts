import type { Command } from 'commander';
import { findUser, type PasswordOptions, readNewPassword, withDatabase } from '../console.ts';
import { changePassword as change } from '../users.ts';

export function changePassword(program: Command) {
  program
    .command('changepassword <username>')
    .description("set a user's password, and end all their tokens and sessions")
    .option('--password-stdin', 'read the password from standard input')
    .action((username: string, options: PasswordOptions) =>
      withDatabase(async (prisma) => {
        const user = await findUser(prisma, username);
        await change(prisma, user.id, await readNewPassword(options, user));
        console.log(`Password of ${user.username} changed.`);
      }),
    );
}
