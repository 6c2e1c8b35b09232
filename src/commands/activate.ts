import type { Command } from 'commander';
import { findUser, withDatabase } from '../console.ts';

export function activate(program: Command) {
  program
    .command('activate <username>')
    .description('let a user in again; their tokens and sessions are good as before')
    .action((username: string) => setActive(username, true));
}

export function deactivate(program: Command) {
  program
    .command('deactivate <username>')
    .description('let a user in no more, from their next request on; nothing is deleted')
    .action((username: string) => setActive(username, false));
}

async function setActive(username: string, isActive: boolean) {
  await withDatabase(async (prisma) => {
    const user = await findUser(prisma, username);
    await prisma.user.update({ where: { id: user.id }, data: { isActive } });
    console.log(`User ${user.username} ${isActive ? 'activated' : 'deactivated'}.`);
  });
}
