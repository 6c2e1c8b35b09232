import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Unavailable } from '../../src/errors.ts';
import { answer, errors, Health } from '../../src/schemas.ts';

const schema = {
  operationId: 'isReady',
  summary: 'Ask whether the service can answer',
  description:
    'It can while its database answers and takes writes, its load is not too great, and it is not about to stop.',
  tags: ['Health'],
  security: [],
  response: {
    200: answer(Health, 'It can.', { examples: { ok: { value: { status: 'ok' } } } }),
    ...errors(503),
  },
};

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.get('/', { schema }, async (request) => {
    if (fastify.isDraining) throw new Unavailable();
    try {
      if (await fastify.isWritable()) return { status: 'ok' };
      request.log.error('database is read-only');
    } catch (error) {
      request.log.error({ err: error }, 'database does not answer');
    }
    throw new Unavailable();
  });
};

export default routes;
