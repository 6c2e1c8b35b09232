import type { Command } from 'commander';
import { endApiToken, obtainApiToken } from '../api-tokens.ts';
import { findUser, print, type Shell, withDatabase } from '../console.ts';
import { CommandError } from '../errors.ts';
import { secretKeyOf } from '../secret.ts';

export function createToken(program: Command, shell: Shell) {
  program
    .command('createtoken <username>')
    .description("print a user's API token; it is made where there is none")
    .option('-r, --reset', 'make a new one, and end the old')
    .action((username: string, { reset }: { reset?: boolean }) =>
      withDatabase(shell, async (prisma, config) => {
        const { id, username: name } = await findUser(prisma, username);
        if (reset) await endApiToken(prisma, id);
        const token = await obtainApiToken(prisma, [secretKeyOf(config), ...config.SECRET_KEY_FALLBACKS], { id });
        if (!token) throw new CommandError(`User ${name} was deleted meanwhile.`);
        print(shell, `Generated token ${token} for user ${name}`);
      }),
    );
}
