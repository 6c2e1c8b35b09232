import { setTimeout as setTimer } from 'node:timers';
import { setTimeout } from 'node:timers/promises';
import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the service is about to stop; it is then no longer ready, and lets its connections go. */
    isDraining: boolean;
    /** Stops without losing a request: not ready first, then closed when balancers and clients had time to see it. */
    shutDown(): Promise<void>;
  }
}

// A server that is closing no longer times requests out, and a client that sends half of one would hold it.
const LAST_REQUESTS_MS = 5_000;

/** An orderly end. */
export default fp(
  async (fastify) => {
    fastify.decorate('isDraining', false);
    fastify.decorate('shutDown', async () => {
      fastify.isDraining = true;
      await setTimeout(fastify.config.SHUTDOWN_DELAY);
      await fastify.close();
    });
    fastify.addHook('preClose', (done) => {
      setTimer(() => fastify.server.closeAllConnections(), LAST_REQUESTS_MS).unref();
      done();
    });
    fastify.addHook('onRequest', (_request, reply, done) => {
      if (fastify.isDraining) reply.header('connection', 'close');
      done();
    });
  },
  { name: 'shutdown' },
);
