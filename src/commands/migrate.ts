import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { openDatabase } from '../database/index.ts';

export function migrate(program: Command) {
  program
    .command('migrate')
    .description('bring the database to this version')
    .action(async () => {
      const { migrated, close } = await openDatabase(loadConfig(), { migrate: true });
      await close();
      for (const name of migrated) console.log(`Applied ${name}`);
      if (migrated.length === 0) console.log('No migrations to apply.');
    });
}
