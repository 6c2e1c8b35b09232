import { Command } from 'commander';
import { activate, deactivate } from './commands/activate.ts';
import { backup, restore } from './commands/backup.ts';
import { changePassword } from './commands/change-password.ts';
import { check } from './commands/check.ts';
import { createToken } from './commands/create-token.ts';
import { createSuperuser, createUser } from './commands/create-user.ts';
import { deleteUser } from './commands/delete-user.ts';
import { flushExpiredTokens } from './commands/flush-expired-tokens.ts';
import { generateKey } from './commands/generate-key.ts';
import { migrate } from './commands/migrate.ts';
import { openapi } from './commands/openapi.ts';
import { serve } from './commands/serve.ts';
import { studio } from './commands/studio.ts';
import { ConfigError } from './config.ts';
import { describeFault, MigrationError } from './database/index.ts';
import { CommandError } from './errors.ts';
import { version } from './package.ts';

const COMMANDS = [
  serve,
  migrate,
  check,
  backup,
  restore,
  createSuperuser,
  createUser,
  changePassword,
  activate,
  deactivate,
  deleteUser,
  createToken,
  flushExpiredTokens,
  generateKey,
  studio,
  openapi,
];

const program = new Command('todo-api')
  .description('A Todo REST API secured by API tokens and JWT pairs.')
  .version(version)
  .showHelpAfterError();
for (const add of COMMANDS) add(program);
for (const command of program.commands) command.version(version);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`todo-api: ${messageOf(error as NodeJS.ErrnoException)}`);
  process.exit(1);
}

/** What a person can act on: no stack where the fault is not the program's. */
function messageOf(error: NodeJS.ErrnoException): string | undefined {
  if (error instanceof ConfigError || error instanceof CommandError || error instanceof MigrationError) {
    return error.message;
  }
  const fault = describeFault(error);
  if (fault) return `The database cannot be used: ${fault}`;
  // The system's own errors name the call and the path.
  if (error.syscall) return error.message;
  return error.stack;
}
