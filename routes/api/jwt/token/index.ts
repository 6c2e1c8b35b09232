import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { NoActiveAccount } from '../../../../src/errors.ts';
import {
  endSession,
  lifetimesOf,
  type Origin,
  refreshSession,
  startSession,
  verifySession,
} from '../../../../src/sessions.ts';
import * as schemas from './schemas.ts';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, jwtCodec, prisma } = fastify;
  const lifetimes = lifetimesOf(config);

  fastify.addHook('onRequest', fastify.forbidStoring);

  fastify.post('/', { schema: schemas.obtain, config: { hashes: true } }, async (request) => {
    const login = await fastify.logIn(request, request.body);
    const pair = login && (await startSession(prisma, jwtCodec, lifetimes, login, originOf(request)));
    if (!pair) throw new NoActiveAccount();
    return pair;
  });

  fastify.post('/refresh', { schema: schemas.refresh }, ({ body }) =>
    refreshSession(prisma, jwtCodec, lifetimes, body.refresh),
  );

  fastify.post('/verify', { schema: schemas.verify }, async ({ body }) => {
    await verifySession(prisma, jwtCodec, body.token);
    return {};
  });

  fastify.post('/blacklist', { schema: schemas.blacklist }, async (request) => {
    request.audit('session.ended', await endSession(prisma, jwtCodec, request.body.refresh));
    return {};
  });
};

function originOf({ headers, ip }: FastifyRequest): Origin {
  // A client that has left has no address any more.
  return { userAgent: headers['user-agent'] ?? '', address: ip ?? '' };
}

export default routes;
