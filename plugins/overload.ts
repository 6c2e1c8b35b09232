import fp from 'fastify-plugin';
import { Unavailable } from '../src/errors.ts';
import { createAdmission } from '../src/overload.ts';
import { countRefusedHash, isHashQueueFull } from '../src/passwords.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** How many requests this process has refused for its load; those that wait for a password's hash count elsewhere. */
    shedRequests: number;
    /**
     * Admits a request once more before its body is parsed, where that came in a later turn of the event loop than
     * its headers: what it costs is spent now, and with that of all others whose bodies have come.
     * @throws {Unavailable}
     */
    admitBody?(request: FastifyRequest): void;
  }
  interface FastifyRequest {
    /** The turn of the event loop in which it was admitted; 0 before. */
    admittedIn: number;
  }
  interface FastifyContextConfig {
    /** Whether the route answers however great the load. */
    always?: boolean;
    /** Whether it hashes a password; refused at once where too many wait for that. */
    hashes?: boolean;
  }
}

const WAITING_FOR_EACH_CONNECTION = 50;

const BODY = JSON.stringify({ detail: new Unavailable().message });

/**
 * Refuses requests at once, with 503, where they are more than can be answered soon: by the event loop, by
 * the pool of connections to the database, or by the queue for the hashes of passwords.
 */
export default fp(
  async (fastify) => {
    const { admits, turn, refuse } = createAdmission();
    const maxWaiting = WAITING_FOR_EACH_CONNECTION * fastify.config.DATABASE_POOL_SIZE;
    const isPoolFull = () => fastify.poolUse !== undefined && fastify.poolUse().waiting >= maxWaiting;

    fastify.decorate('shedRequests', 0);
    fastify.decorateRequest('admittedIn', 0);
    fastify.decorate('admitBody', (request) => {
      if (request.admittedIn === turn() || request.routeOptions.config.always || admits()) return;
      fastify.shedRequests++;
      throw new Unavailable();
    });
    fastify.addHook('onRequest', (request, reply, done) => {
      const { always, hashes } = request.routeOptions.config;
      const isQueueFull = hashes === true && isHashQueueFull();
      if ((!isQueueFull && !isPoolFull() && admits()) || always) {
        request.admittedIn = turn();
        return done();
      }
      if (isQueueFull) countRefusedHash();
      else fastify.shedRequests++;
      // Not by an error, which is logged with its stack.
      refuse(() => {
        reply.code(503).header('retry-after', 1).type('application/json; charset=utf-8').send(BODY);
      });
    });
  },
  { name: 'overload', dependencies: ['errors', 'tracing'] },
);
