import fp from 'fastify-plugin';
import type { Scope } from '../src/api-tokens.ts';
import { PermissionDenied } from '../src/errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a token with scopes needs for the route. Without it, such a token does not get there at all. */
    scope?: Scope | 'any';
  }
  interface FastifyInstance {
    /** Throws where the credential of an authenticated request does not reach its route. */
    verifyScope(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void;
  }
}

/** The bounds of credentials that may do less than their user. */
export default fp(
  async (fastify) => {
    fastify.decorate('verifyScope', ({ user, routeOptions }, _reply, done) => {
      const { scopes } = user.credential;
      const { scope } = routeOptions.config;
      if (scopes === null || scope === 'any' || (scope && scopes.includes(scope))) done();
      else done(new PermissionDenied());
    });
  },
  { name: 'scopes', dependencies: ['credentials'] },
);
