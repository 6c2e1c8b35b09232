import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { NoActiveAccount } from '../../../../src/errors.ts';
import { endSession, refreshSession, startSession, verifySession } from '../../../../src/sessions.ts';
import { authenticateUser } from '../../../../src/users.ts';
import * as schemas from './schemas.ts';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, jwtCodec, prisma } = fastify;
  const lifetimes = { access: config.JWT_ACCESS_TTL, refresh: config.JWT_REFRESH_TTL };

  fastify.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
  });

  fastify.post('/', { schema: schemas.obtain }, async ({ body }) => {
    const login = await authenticateUser(prisma, body.username, body.password);
    const pair = login && (await startSession(prisma, jwtCodec, lifetimes, login));
    if (!pair) throw new NoActiveAccount();
    return pair;
  });

  fastify.post('/refresh', { schema: schemas.refresh }, async ({ body }) => ({
    access: await refreshSession(prisma, jwtCodec, lifetimes, body.refresh),
  }));

  fastify.post('/verify', { schema: schemas.verify }, async ({ body }) => {
    await verifySession(prisma, jwtCodec, body.token);
    return {};
  });

  fastify.post('/blacklist', { schema: schemas.blacklist }, async ({ body }) => {
    await endSession(prisma, jwtCodec, body.refresh);
    return {};
  });
};

export default routes;
