import type { Command } from 'commander';
import { findUser, print, type Shell, withDatabase } from '../console.ts';

export function activate(program: Command, shell: Shell) {
  program
    .command('activate <username>')
    .description('let a user in again; their tokens and sessions are good as before')
    .action((username: string) => setActive(shell, username, true));
}

export function deactivate(program: Command, shell: Shell) {
  program
    .command('deactivate <username>')
    .description('let a user in no more, from their next request on; nothing is deleted')
    .action((username: string) => setActive(shell, username, false));
}

async function setActive(shell: Shell, username: string, isActive: boolean) {
  await withDatabase(shell, async (prisma) => {
    const user = await findUser(prisma, username);
    await prisma.user.update({ where: { id: user.id }, data: { isActive } });
    print(shell, `User ${user.username} ${isActive ? 'activated' : 'deactivated'}.`);
  });
}
