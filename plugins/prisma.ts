import fp from 'fastify-plugin';
import { openDatabase, type PoolUse, type Prisma } from '../src/database/index.ts';

declare module 'fastify' {
  interface FastifyInstance {
    prisma: Prisma;
    /** Whether the database takes writes. Rejects where it does not answer. */
    isWritable(): Promise<boolean>;
    /** The use of the pool of connections, where the database has one. */
    poolUse: (() => PoolUse) | undefined;
  }
}

/** Opens the configured database as `fastify.prisma` and closes it with the app. */
export default fp(
  async (fastify) => {
    const { prisma, migrated, isWritable, poolUse, close } = await openDatabase(fastify.config);
    for (const migration of migrated) fastify.log.info({ migration }, 'migration applied');
    fastify.decorate('prisma', prisma);
    fastify.decorate('isWritable', isWritable);
    fastify.decorate('poolUse', poolUse);
    fastify.addHook('onClose', close);
  },
  { name: 'prisma' },
);
