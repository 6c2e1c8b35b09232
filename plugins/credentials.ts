import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Scope } from '../src/api-tokens.ts';
import type { LiveUser } from '../src/database/index.ts';
import { NotAuthenticated, PermissionDenied } from '../src/errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a token with scopes needs for the route. Without it, such a token does not get there at all. */
    scope?: Scope | 'any';
  }
  interface FastifyRequest {
    /** Whose credentials the request carries; null until they are verified. */
    user: LiveUser;
    /** The challenges (RFC 9110, 11.6.1) of the schemes that did not accept the request. */
    challenges: string[] | null;
    /** Why the scheme that the request used did not accept it. */
    refusal: unknown;
  }
}

/** What the authentication schemes of a route share: the user they found, or why they found none. */
export default fp(
  async (fastify) => {
    fastify.decorateRequest('user', null as unknown as LiveUser);
    fastify.decorateRequest('challenges', null);
    fastify.decorateRequest('refusal', null);
  },
  { name: 'credentials' },
);

/**
 * An authentication scheme, as a hook that sets `request.user` or throws. `findUser` is given the words
 * of the Authorization header, and has three outcomes: a user; undefined, where the header is not of
 * this scheme; an error, where it is and does not hold. Of several schemes on a route, in any order,
 * the one whose keyword was used has the word. A credential with scopes must have that of the route.
 */
export function defineScheme(challenge: string, findUser: (words: string[]) => Promise<LiveUser | undefined>) {
  return async (request: FastifyRequest): Promise<void> => {
    try {
      const user = await findUser(request.headers.authorization?.split(/[ \t]+/) ?? []);
      if (user) {
        request.user = user;
        if (reaches(user, request)) return;
        throw new PermissionDenied();
      }
    } catch (error) {
      request.refusal = error;
    }
    request.challenges = [...(request.challenges ?? []), challenge];
    throw request.refusal ?? new NotAuthenticated();
  };
}

function reaches({ credential: { scopes } }: LiveUser, { routeOptions }: FastifyRequest): boolean {
  const { scope } = routeOptions.config;
  return scopes === null || scope === 'any' || (scope !== undefined && scopes.includes(scope));
}
