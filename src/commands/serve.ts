import cluster from 'node:cluster';
import { setFlagsFromString } from 'node:v8';
import closeWithGrace from 'close-with-grace';
import { type Command, InvalidArgumentError } from 'commander';
import type { FastifyBaseLogger } from 'fastify';
import { type Config, loadConfig } from '../config.ts';
import type { Shell } from '../console.ts';
import { CommandError } from '../errors.ts';
import { loggerOptions } from '../logging.ts';
import type { Metrics } from '../metrics.ts';
import { startWorkers } from '../workers.ts';

export function serve(program: Command, shell: Shell) {
  program
    .command('serve')
    .description('serve the API until SIGTERM or SIGINT')
    .option('-w, --workers <number>', 'processes that share the port; the default is WEB_CONCURRENCY', toCount)
    .action(async ({ workers }: { workers?: number }) => {
      const config = loadConfig(shell.env);
      const count = workers ?? config.WEB_CONCURRENCY;
      if (count > 1 && cluster.isPrimary) await supervise(config, count);
      else await listen(config);
    });
}

function toCount(value: string): number {
  const count = Number(value);
  if (!Number.isInteger(count) || count < 1 || count > 256) throw new InvalidArgumentError('A number from 1 to 256.');
  return count;
}

async function listen(config: Config) {
  for (const flag of V8_FLAGS) setFlagsFromString(flag);
  // Other commands need not wait for all of this.
  const { buildApp } = await import('../app.ts');
  const app = await buildApp(config);
  const closeMetrics = await openMetrics(config, app.log, app.metrics);
  endWith(config, app.log, async () => {
    await app.shutDown();
    await closeMetrics();
  });
  const address = await app.listen({ host: config.HOST, port: config.PORT, listenTextResolver: () => 'listening' });
  if (cluster.isWorker && cluster.worker?.id !== 1) return;
  app.log.info(`API: ${address}/api/v1/todo/`);
  app.log.info(`Documentation: ${address}/docs/`);
  // A hint; the service goes on without it, and may be stopped meanwhile.
  const users = await app.prisma.user.count().catch(() => undefined);
  if (users === 0) app.log.info('There is no user yet. Make the first one: npx todo-api createsuperuser');
}

// For less memory: the heap grows by half at most before its garbage is collected; and Prisma's compiler of
// queries, in WebAssembly, runs so seldom that to optimize it costs more than it saves.
const V8_FLAGS = ['--heap-growing-percent=50', '--liftoff-only'];

async function supervise(config: Config, count: number) {
  const { pino } = await import('../vendor/pino.ts');
  const { stream, ...options } = loggerOptions(config.LOG_LEVEL);
  const log: FastifyBaseLogger = pino(options, stream);
  const closeMetrics = await openMetrics(config, log);
  const stop = await startWorkers(count, log).catch((error) => {
    throw new CommandError(error.message);
  });
  endWith(config, log, async () => {
    await stop();
    await closeMetrics();
  });
  log.info({ workers: count }, 'workers started');
}

/**
 * Opens the metrics where they are configured, to the last moment: those of the only process, or in the
 * first of several their sum, for which a worker gives its own. Returns the function that closes them.
 */
async function openMetrics(config: Config, log: FastifyBaseLogger, own?: Metrics): Promise<() => Promise<void>> {
  if (config.METRICS_PORT === undefined) return async () => {};
  const { answerFirstProcess, serveMetrics, sumOfWorkers } = await import('../metrics.ts');
  if (own && cluster.isWorker) {
    answerFirstProcess(own);
    return async () => {};
  }
  const read = own ? () => own.registry.metrics() : sumOfWorkers();
  const { url, close } = await serveMetrics(config.HOST, config.METRICS_PORT, read).catch((error) => {
    throw new CommandError(`METRICS_PORT cannot be used: ${error.message}`);
  });
  log.info(`Metrics: ${url}`);
  return close;
}

/** Has the process end in order on a signal, however often that comes, and with a line in the log on a fault. */
function endWith(config: Config, log: FastifyBaseLogger, stop: () => Promise<void>) {
  const delay = config.SHUTDOWN_DELAY + 30_000;
  const { close } = closeWithGrace({ delay, logger: log, skip: [...SIGNALS] }, async ({ err }) => {
    if (err) log.fatal({ err }, 'stopped by a fault');
    else await stop();
  });
  let isEnding = false;
  const end = () => {
    if (!isEnding) close();
    isEnding = true;
  };
  // Terminals and supervisors send a signal to all processes; a worker ends when the first one says so.
  for (const signal of SIGNALS) process.on(signal, cluster.isWorker ? () => {} : end);
  if (!cluster.isWorker) return;
  process.on('message', (message) => {
    if (message === 'stop') end();
  });
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
