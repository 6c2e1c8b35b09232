import closeWithGrace from 'close-with-grace';
import type { Command } from 'commander';
import { buildApp } from '../app.ts';
import { loadConfig } from '../config.ts';

export function serve(program: Command) {
  program
    .command('serve')
    .description('serve the API until SIGTERM or SIGINT')
    .action(async () => {
      const config = loadConfig();
      const app = await buildApp(config);
      closeWithGrace({ delay: config.SHUTDOWN_DELAY + 30_000, logger: app.log }, async ({ err }) => {
        if (err) app.log.fatal({ err }, 'stopped by a fault');
        else await app.shutDown();
      });
      const address = await app.listen({ host: config.HOST, port: config.PORT, listenTextResolver: () => 'listening' });
      app.log.info(`API: ${address}/api/v1/todo/`);
      app.log.info(`Documentation: ${address}/docs/`);
      if ((await app.prisma.user.count()) === 0) {
        app.log.info('There is no user yet. Make the first one: npx todo-api createsuperuser');
      }
    });
}
