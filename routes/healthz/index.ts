import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer, Health } from '../../src/schemas.ts';

const schema = {
  operationId: 'isAlive',
  summary: 'Ask whether the process is alive',
  description: 'It touches nothing but the process itself, and answers however great the load.',
  tags: ['Health'],
  security: [],
  response: {
    200: answer(Health, 'It is.', { examples: { ok: { value: { status: 'ok' } } } }),
  },
};

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.get('/', { schema, config: { always: true } }, async () => ({ status: 'ok' }));
};

export default routes;
