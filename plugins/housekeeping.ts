import fp from 'fastify-plugin';
import { deleteExpired } from '../src/housekeeping.ts';

const EVERY_MS = 60_000;

/** Deletes each minute what has expired. */
export default fp(
  async (fastify) => {
    let last: Promise<unknown> = Promise.resolve();
    const timer = setInterval(() => {
      last = deleteExpired(fastify.prisma, fastify.config).catch((err) => {
        fastify.log.warn({ err }, 'what has expired was not deleted');
      });
    }, EVERY_MS).unref();
    fastify.addHook('onClose', async () => {
      clearInterval(timer);
      await last;
    });
  },
  { name: 'housekeeping', dependencies: ['prisma'] },
);
