import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { print, type Shell } from '../console.ts';
import { openDatabase } from '../database/index.ts';

export function migrate(program: Command, shell: Shell) {
  program
    .command('migrate')
    .description('bring the database to this version')
    .action(async () => {
      const { migrated, close } = await openDatabase(loadConfig(shell.env), { migrate: true });
      await close();
      for (const name of migrated) print(shell, `Applied ${name}`);
      if (migrated.length === 0) print(shell, 'No migrations to apply.');
    });
}
