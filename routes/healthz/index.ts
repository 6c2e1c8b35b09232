import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';

const schema = {
  operationId: 'isAlive',
  summary: 'Ask whether the process is alive',
  tags: ['Health'],
  security: [],
  response: {
    200: Type.Object({ status: Type.String({ examples: ['ok'] }) }, { description: 'It is.' }),
  },
};

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.get('/', { schema }, async () => ({ status: 'ok' }));
};

export default routes;
