import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { FastifyBaseLogger } from 'fastify';

const PAUSE_MS = 1000;

/**
 * Runs this command in `count` processes that share its port, and replaces each that dies; to be called
 * in the first process. Returns the function that has all of them finish what they do and exit.
 * Rejects where a process ends before it listens: the next one would, too.
 */
export async function startWorkers(count: number, log: FastifyBaseLogger): Promise<() => Promise<void>> {
  // Each takes its connections itself. Where the first process hands them out, those that are on their way to a
  // worker as it is killed are never answered nor closed.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  let isStopping = false;
  const starting = new Set<Worker>();

  async function start(): Promise<void> {
    const worker = cluster.fork();
    starting.add(worker);
    // To be asked for metrics just as one dies is no fault.
    worker.on('error', () => {});
    const [event] = await Promise.race([
      once(worker, 'listening').then(() => ['listening']),
      once(worker, 'exit').then(() => ['exit']),
    ]);
    starting.delete(worker);
    if (event === 'exit') throw new Error('A worker ended before it could listen.');
    worker.once('exit', (code, signal) => {
      if (isStopping) return;
      log.error({ worker: worker.process.pid, code, signal }, 'worker died and is replaced');
      replace();
    });
  }

  /** Until one listens: what keeps a worker from starting, such as a database that is away, may pass. */
  function replace(): void {
    if (isStopping) return;
    start().catch(() => setTimeout(replace, PAUSE_MS));
  }

  async function stop(): Promise<void> {
    isStopping = true;
    const workers = Object.values(cluster.workers ?? {}) as Worker[];
    await Promise.all(
      workers.map((worker) => {
        const exit = once(worker, 'exit');
        // One that is being started does not hear messages yet; then a signal ends it, which it ignores as
        // soon as it hears them.
        if (starting.has(worker)) worker.process.kill();
        // One that died just now cannot be sent anything, and need not.
        worker.send('stop', () => {});
        return exit;
      }),
    );
  }

  try {
    await Promise.all(Array.from({ length: count }, start));
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}
