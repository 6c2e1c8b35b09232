import fp from 'fastify-plugin';
import { Unavailable } from '../src/errors.ts';
import { createAdmission } from '../src/overload.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** How many requests this process has refused for its load. */
    shedRequests: number;
  }
  interface FastifyContextConfig {
    /** Whether the route answers however great the load. */
    always?: boolean;
  }
}

const WAITING_FOR_EACH_CONNECTION = 50;

const BODY = JSON.stringify({ detail: new Unavailable().message });

/**
 * Refuses requests at once, with 503, where they are more than can be answered soon: by the event loop, or
 * by the pool of connections to the database.
 */
export default fp(
  async (fastify) => {
    const { admits, refuse } = createAdmission();
    const maxWaiting = WAITING_FOR_EACH_CONNECTION * fastify.config.DATABASE_POOL_SIZE;
    const isPoolFull = () => fastify.poolUse !== undefined && fastify.poolUse().waiting >= maxWaiting;

    fastify.decorate('shedRequests', 0);
    fastify.addHook('onRequest', (request, reply, done) => {
      if ((admits() && !isPoolFull()) || request.routeOptions.config.always) return done();
      fastify.shedRequests++;
      // Not by an error, which is logged with its stack.
      refuse(() => {
        reply.code(503).header('retry-after', 1).type('application/json; charset=utf-8').send(BODY);
      });
    });
  },
  { name: 'overload', dependencies: ['errors', 'tracing'] },
);
