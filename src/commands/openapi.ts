import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { print, type Shell } from '../console.ts';

export function openapi(program: Command, shell: Shell) {
  program
    .command('openapi')
    .description('print the OpenAPI document')
    .action(async () => {
      // The document is made of the app's routes, and the app has a database: one of its own.
      const directory = await mkdtemp(join(tmpdir(), 'todo-api-'));
      try {
        const { buildApp } = await import('../app.ts');
        const app = await buildApp({
          ...loadConfig(shell.env),
          DATABASE_URL: `file:${directory}/todo.db`,
          LOG_LEVEL: 'silent',
        });
        await app.ready();
        print(shell, JSON.stringify(app.swagger(), null, 2));
        await app.close();
      } finally {
        await rm(directory, { recursive: true });
      }
    });
}
