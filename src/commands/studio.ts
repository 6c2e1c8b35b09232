import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../config.ts';
import type { Shell } from '../console.ts';
import { databasePath, isSqlite, openDatabase } from '../database/index.ts';
import { CommandError } from '../errors.ts';
import { packagePath } from '../package.ts';

export function studio(program: Command, shell: Shell) {
  program
    .command('studio')
    .description('open Prisma Studio on the database')
    .option('-p, --port <number>', 'port of Studio', toPort, 5555)
    .option('-b, --browser <name>', 'browser to open it in, or none')
    .action(async ({ port, browser }: { port: number; browser?: string }) => {
      const config = loadConfig(shell.env);
      const { close } = await openDatabase(config);
      await close();
      await checkPort(port);
      const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');
      const args = [prisma, 'studio', '--config', packagePath('prisma.config.ts'), '--port', String(port)];
      const child = spawn(process.execPath, browser ? [...args, '--browser', browser] : args, {
        stdio: 'inherit',
        env: {
          // Prisma's CLI asks its maker for news otherwise.
          CHECKPOINT_DISABLE: '1',
          ...shell.env,
          DATABASE_URL: addressFor(config.DATABASE_URL),
        },
      });
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
      const [code] = await once(child, 'exit');
      shell.exitCode = code ?? 1;
    });
}

/** Studio knows a SQLite file only by this form of its address, and takes the path literally. */
function addressFor(url: string): string {
  return isSqlite(url) ? `file://${databasePath(url)}` : url;
}

function toPort(value: string): number {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new InvalidArgumentError('A port is 1 to 65535.');
  return port;
}

async function checkPort(port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening').catch(() => {
    throw new CommandError(`Port ${port} is in use. Choose another by --port.`);
  });
  server.close();
  await once(server, 'close');
}
