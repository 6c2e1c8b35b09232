import fastifyAuth from '@fastify/auth';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    /** A hook that lets a request through whose credentials any of the schemes accepts. */
    authenticate: Authenticate;
  }
}

type Authenticate = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void;

/** auth.ts registers it, after the schemes. */
export const autoload = false;

/** Both authentication schemes side by side: tokens and JWTs open the same routes. */
export default fp(
  async (fastify) => {
    await fastify.register(fastifyAuth);
    fastify.decorate('authenticate', fastify.auth([fastify.verifyApiToken, fastify.verifyJwt]));
  },
  { name: 'authenticate', dependencies: ['token-auth', 'jwt-auth'] },
);
