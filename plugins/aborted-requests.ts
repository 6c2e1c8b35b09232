import fp from 'fastify-plugin';
import { ClientGone } from '../src/errors.ts';
import { logRequest } from '../src/request-log.ts';
import { countRequest } from './metrics.ts';

/**
 * Requests that their clients give up have their line in the log and are counted, by the status that nginx
 * has for them, 499; Fastify tells of those alone that were answered.
 */
export default fp(
  async (fastify) => {
    const statusCode = new ClientGone().statusCode as number;
    fastify.addHook('onRequest', (request, reply, done) => {
      reply.raw.once('close', () => {
        if (reply.raw.writableFinished) return;
        logRequest(request, reply, statusCode);
        countRequest(request, reply, statusCode);
      });
      done();
    });
  },
  { name: 'aborted-requests', dependencies: ['metrics'] },
);
