import fastifyAuth from '@fastify/auth';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Scheme } from './credentials.ts';

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
    const verify: Authenticate = fastify.auth([fastify.verifyApiToken, fastify.verifyJwt]);
    const verifyAgain: Scheme = (request, reply) =>
      new Promise((resolve, reject) => verify(request, reply, (error) => (error ? reject(error) : resolve())));
    fastify.decorate('authenticate', (request, reply, done) => {
      request.verifyAgain = verifyAgain;
      verify(request, reply, done);
    });
  },
  { name: 'authenticate', dependencies: ['token-auth', 'jwt-auth'] },
);
