import type { Command } from 'commander';
import { askFor, type PasswordOptions, readNewPassword, withDatabase } from '../console.ts';
import { checkEmail, checkUsername, createUser as makeUser } from '../users.ts';

interface Options extends PasswordOptions {
  username?: string;
  email?: string;
}

export function createSuperuser(program: Command) {
  describe(program, 'createsuperuser', 'make a user who sees and changes the todos of all users')
    .addHelpText('after', '\nThe password may also be in the environment, as TODO_SUPERUSER_PASSWORD.')
    .action((options: Options) => run(options, true, process.env.TODO_SUPERUSER_PASSWORD));
}

export function createUser(program: Command) {
  describe(program, 'createuser', 'make a user').action((options: Options) => run(options, false));
}

function describe(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--username <name>', 'up to 150 letters, digits and @ . + - _')
    .option('--email <address>', 'may be left out')
    .option('--password-stdin', 'read the password from standard input');
}

async function run(options: Options, isSuperuser: boolean, givenPassword?: string) {
  await withDatabase(async (prisma) => {
    const username =
      options.username === undefined ? await askFor('--username', checkUsername) : checkUsername(options.username);
    const email = checkEmail(options.email ?? '');
    const password = await readNewPassword(options, { username, email }, givenPassword);
    await makeUser(prisma, { username, email, password, isSuperuser });
    console.log(`${isSuperuser ? 'Superuser' : 'User'} ${username} created.`);
  });
}
