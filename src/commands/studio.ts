import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../config.ts';
import { databasePath, openDatabase } from '../database/index.ts';
import { packagePath } from '../package.ts';

export function studio(program: Command) {
  program
    .command('studio')
    .description('open Prisma Studio on the database')
    .option('-p, --port <number>', 'port of Studio', toPort, 5555)
    .option('-b, --browser <name>', 'browser to open it in, or none')
    .action(async ({ port, browser }: { port: number; browser?: string }) => {
      const url = loadConfig().DATABASE_URL;
      await openDatabase(url).close();
      const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');
      const args = [prisma, 'studio', '--config', packagePath('prisma.config.ts'), '--port', String(port)];
      const child = spawn(process.execPath, browser ? [...args, '--browser', browser] : args, {
        stdio: 'inherit',
        // Studio knows a SQLite file only by this form of its address.
        env: { ...process.env, DATABASE_URL: pathToFileURL(databasePath(url)).href },
      });
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
      const [code] = await once(child, 'exit');
      process.exitCode = code ?? 0;
    });
}

function toPort(value: string): number {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new InvalidArgumentError('A port is 1 to 65535.');
  return port;
}
