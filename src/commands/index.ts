import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config.ts';
import type { Shell } from '../console.ts';
import { describeFault, MigrationError } from '../database/index.ts';
import { CommandError } from '../errors.ts';
import { version } from '../package.ts';
import { activate, deactivate } from './activate.ts';
import { backup, restore } from './backup.ts';
import { changePassword } from './change-password.ts';
import { check } from './check.ts';
import { createToken } from './create-token.ts';
import { createSuperuser, createUser } from './create-user.ts';
import { deleteUser } from './delete-user.ts';
import { flushExpiredTokens } from './flush-expired-tokens.ts';
import { generateKey } from './generate-key.ts';
import { migrate } from './migrate.ts';
import { openapi } from './openapi.ts';
import { serve } from './serve.ts';
import { studio } from './studio.ts';

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

/** Runs a command of the console with its arguments. What fails is told on standard error, and by `shell.exitCode`. */
export async function runCommand(args: string[], shell: Shell): Promise<void> {
  const program = new Command('todo-api')
    .description('A Todo REST API secured by API tokens and JWT pairs.')
    .version(version)
    .showHelpAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => shell.stdout.write(text),
      writeErr: (text) => shell.stderr.write(text),
    });
  for (const add of COMMANDS) add(program, shell);
  for (const command of program.commands) command.version(version);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    shell.exitCode = 1;
    // Commander has said itself what is wrong, or what was asked for.
    if (error instanceof CommanderError) shell.exitCode = error.exitCode;
    else shell.stderr.write(`todo-api: ${messageOf(error as NodeJS.ErrnoException)}\n`);
  }
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
