import fp from 'fastify-plugin';
import { openDatabase, type Prisma } from '../src/database/index.ts';

declare module 'fastify' {
  interface FastifyInstance {
    prisma: Prisma;
  }
}

/** Opens the configured database as `fastify.prisma` and closes it with the app. */
export default fp(
  async (fastify) => {
    const { prisma, migrated, close } = await openDatabase(fastify.config);
    for (const migration of migrated) fastify.log.info({ migration }, 'migration applied');
    fastify.decorate('prisma', prisma);
    fastify.addHook('onClose', close);
  },
  { name: 'prisma' },
);
