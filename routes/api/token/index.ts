import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { obtainApiToken } from '../../../src/api-tokens.ts';
import { UnableToLogIn } from '../../../src/errors.ts';
import { authenticateUser } from '../../../src/users.ts';
import * as schemas from './schemas.ts';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
  });

  fastify.post('/', { schema: schemas.obtain }, async ({ body }) => {
    const login = await authenticateUser(fastify.prisma, body.username, body.password);
    const token = login && (await obtainApiToken(fastify.prisma, fastify.config.SECRET_KEY, login));
    if (!token) throw new UnableToLogIn();
    return { token };
  });
};

export default routes;
