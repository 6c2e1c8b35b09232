import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { obtainApiToken } from '../../../src/api-tokens.ts';
import { UnableToLogIn } from '../../../src/errors.ts';
import * as schemas from './schemas.ts';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.addHook('onRequest', fastify.forbidStoring);

  const { SECRET_KEY, SECRET_KEY_FALLBACKS } = fastify.config;

  fastify.post('/', { schema: schemas.obtain, config: { hashes: true } }, async (request) => {
    const login = await fastify.logIn(request, request.body);
    const onNew = () => request.audit('token.created', { userId: login?.id });
    const token = login && (await obtainApiToken(fastify.prisma, [SECRET_KEY, ...SECRET_KEY_FALLBACKS], login, onNew));
    if (!token) throw new UnableToLogIn();
    return { token };
  });
};

export default routes;
