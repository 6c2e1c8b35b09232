import type { Readable, Writable } from 'node:stream';
import { text as readStream } from 'node:stream/consumers';
import { type Config, loadConfig } from './config.ts';
import { openDatabase, type Prisma } from './database/index.ts';
import { CommandError } from './errors.ts';
import { findPasswordFaults, type Person } from './password-policy.ts';
import { normaliseUsername } from './users.ts';

/** What a command reads and writes beside the database. `process` is one. */
export interface Shell {
  env: NodeJS.ProcessEnv;
  stdin: Readable & { isTTY?: boolean };
  stdout: Writable;
  stderr: Writable;
  exitCode?: NodeJS.Process['exitCode'];
}

/** Writes a line to standard output. */
export function print(shell: Shell, line: string): void {
  shell.stdout.write(`${line}\n`);
}

/** Runs an action on the configured database, and closes it after. */
export async function withDatabase<Result>(
  { env }: Shell,
  action: (prisma: Prisma, config: Config) => Promise<Result>,
): Promise<Result> {
  const config = loadConfig(env);
  const { prisma, close } = await openDatabase(config);
  try {
    return await action(prisma, config);
  } finally {
    await close();
  }
}

/**
 * The user of a name.
 * @throws {CommandError} where there is none
 */
export async function findUser(prisma: Prisma, username: string) {
  const user = await prisma.user.findUnique({ where: { username: normaliseUsername(username) } });
  if (!user) throw new CommandError(`There is no user ${username}.`);
  return user;
}

/** Asks for a value on the terminal until `check` takes it; without a terminal the option must be there. */
export async function askFor(shell: Shell, option: string, check: (value: string) => string): Promise<string> {
  if (!shell.stdin.isTTY) throw new CommandError(`Give ${option}; there is no terminal to ask on.`);
  const validate = (value: string | undefined) => {
    try {
      check(value ?? '');
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  const { text } = await import('@clack/prompts');
  return check(answerOf(await text({ message: `${option.replace(/^--/, '')}:`, validate, ...terminalOf(shell) })));
}

/** Asks on the terminal, where no is the answer that takes no key. */
export async function confirm(shell: Shell, message: string): Promise<boolean> {
  const prompts = await import('@clack/prompts');
  return (await prompts.confirm({ message, initialValue: false, ...terminalOf(shell) })) === true;
}

export interface PasswordOptions {
  passwordStdin?: boolean;
}

/**
 * A new password that the policy takes: from standard input, from `given`, or asked for twice on the
 * terminal. It is never an argument, which other users of the machine could read.
 * @throws {CommandError} where it is weak, or cannot be had
 */
export async function readNewPassword(
  shell: Shell,
  options: PasswordOptions,
  person: Person,
  given?: string,
): Promise<string> {
  if (options.passwordStdin) return accept(withoutNewline(await readStream(shell.stdin)), person);
  if (given) return accept(given, person);
  if (!shell.stdin.isTTY)
    throw new CommandError('Give the password by --password-stdin; there is no terminal to ask on.');
  const prompts = await import('@clack/prompts');
  const terminal = terminalOf(shell);
  for (;;) {
    const password = answerOf(await prompts.password({ message: 'password:', ...terminal }));
    const again = answerOf(await prompts.password({ message: 'password (again):', ...terminal }));
    const faults = password === again ? await findPasswordFaults(password, person) : ["Your passwords didn't match."];
    if (faults.length === 0) return password;
    prompts.log.error(faults.join('\n'), { output: shell.stdout });
  }
}

function terminalOf({ stdin, stdout }: Shell) {
  return { input: stdin, output: stdout };
}

async function accept(password: string, person: Person): Promise<string> {
  const faults = await findPasswordFaults(password, person);
  if (faults.length > 0) throw new CommandError(faults.join('\n'));
  return password;
}

function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

function answerOf(answer: string | symbol | undefined): string {
  if (typeof answer === 'symbol') throw new CommandError('Cancelled.');
  return answer ?? '';
}
