import type { Command } from 'commander';
import { askFor, type PasswordOptions, print, readNewPassword, type Shell, withDatabase } from '../console.ts';
import { checkEmail, checkUsername, createUser as makeUser } from '../users.ts';

interface Options extends PasswordOptions {
  username?: string;
  email?: string;
}

export function createSuperuser(program: Command, shell: Shell) {
  describe(program, 'createsuperuser', 'make a user who sees and changes the todos of all users')
    .addHelpText('after', '\nThe password may also be in the environment, as TODO_SUPERUSER_PASSWORD.')
    .action((options: Options) => run(shell, options, true, shell.env.TODO_SUPERUSER_PASSWORD));
}

export function createUser(program: Command, shell: Shell) {
  describe(program, 'createuser', 'make a user').action((options: Options) => run(shell, options, false));
}

function describe(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--username <name>', 'up to 150 letters, digits and @ . + - _')
    .option('--email <address>', 'may be left out')
    .option('--password-stdin', 'read the password from standard input');
}

async function run(shell: Shell, options: Options, isSuperuser: boolean, givenPassword?: string) {
  await withDatabase(shell, async (prisma) => {
    const username =
      options.username === undefined
        ? await askFor(shell, '--username', checkUsername)
        : checkUsername(options.username);
    const email = checkEmail(options.email ?? '');
    const password = await readNewPassword(shell, options, { username, email }, givenPassword);
    await makeUser(prisma, { username, email, password, isSuperuser });
    print(shell, `${isSuperuser ? 'Superuser' : 'User'} ${username} created.`);
  });
}
