import fastifyAuth from '@fastify/auth';
import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    /** A hook that lets a request through whose credentials any of the schemes accepts and that reach its route. */
    authenticate(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void;
  }
}

/** Both authentication schemes side by side: tokens and JWTs open the same routes. */
export default fp(
  async (fastify) => {
    await fastify.register(fastifyAuth);
    const schemes = [fastify.verifyApiToken, fastify.verifyJwt];
    fastify.decorate('authenticate', fastify.auth([schemes, fastify.verifyScope], { relation: 'and' }));
  },
  { name: 'authenticate', dependencies: ['token-auth', 'jwt-auth', 'scopes'] },
);
