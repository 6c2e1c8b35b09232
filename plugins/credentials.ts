import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { NotAuthenticated, PermissionDenied, type WireError } from '../src/errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a credential with scopes needs for the route. Without it, such a credential does not get there at all. */
    scope?: AuthScope | 'any';
  }
  interface FastifyRequest {
    /** Whose credentials the request carries; null until they are verified. */
    user: AuthUser;
    /** The challenges (RFC 9110, 11.6.1) of the schemes that did not accept the request. */
    challenges: string[] | null;
    /** Why the scheme that the request used did not accept it. */
    refusal: unknown;
    /** Verifies the credentials again; null until they are verified. */
    verifyAgain: Scheme | null;
    /** Whether the event loop has gone on since they were verified. */
    isVerifiedBefore: boolean;
  }
}

/** What a scheme must know of a user. `scopes` is what the credential of the request may do; null: all that its user may. */
export interface AnyUser {
  isActive: boolean;
  credential: { scopes: readonly string[] | null };
}

/** An app says here what its users and scopes are, as `user` and `scope`, by declaration merging. */
// biome-ignore lint/suspicious/noEmptyInterface: its members are declared by the app
export interface AuthTypes {}

/** The user of a request, as the app declares it. */
export type AuthUser = AuthTypes extends { user: infer Declared extends AnyUser } ? Declared : AnyUser;
/** What a credential may be bound to, as the app declares it. */
export type AuthScope = AuthTypes extends { scope: infer Declared extends string } ? Declared : string;

/** The schemes register it. */
export const autoload = false;

/** What the authentication schemes of a route share: the user they found, or why they found none. */
export default fp(
  async (fastify) => {
    if (fastify.hasRequestDecorator('challenges')) return;
    fastify.decorateRequest('user', null as unknown as AuthUser);
    fastify.decorateRequest('challenges', null);
    fastify.decorateRequest('refusal', null);
    fastify.decorateRequest('verifyAgain', null);
    fastify.decorateRequest('isVerifiedBefore', false);
    // Its body may have come long after its headers, and the credentials have ended in between.
    fastify.addHook('preValidation', async (request, reply) => {
      if (!request.verifyAgain || !request.isVerifiedBefore) return;
      request.challenges = null;
      request.refusal = null;
      await request.verifyAgain(request, reply);
    });
  },
  { name: 'credentials' },
);

/** An authentication scheme, as a hook that sets `request.user` or throws. */
export type Scheme = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/**
 * Makes a scheme. `findUser` is given the words of the Authorization header, and has three outcomes: a
 * user; undefined, where the header is not of this scheme; an error, where it is and does not hold. Of
 * several schemes on a route, in any order, the one whose keyword was used has the word. A credential
 * with scopes must have that of the route.
 *
 * A 401 carries its challenges as the `headers` of the error, which Fastify's own error handler sends.
 */
export function defineScheme(challenge: string, findUser: (words: string[]) => Promise<AuthUser | undefined>): Scheme {
  return async function verify(request, reply) {
    try {
      const user = await findUser(request.headers.authorization?.split(/[ \t]+/) ?? []);
      if (user) {
        request.user = user;
        if (reaches(user, request)) return noteVerified(request, verify);
        throw new PermissionDenied();
      }
    } catch (error) {
      request.refusal = error;
    }
    request.challenges = [...(request.challenges ?? []), challenge];
    const error = (request.refusal ?? new NotAuthenticated()) as WireError;
    if (error.statusCode === 401) error.headers = { 'www-authenticate': request.challenges };
    // A fault is no refusal; @fastify/auth gives 401 to what has no status yet.
    else if (error.statusCode === undefined) reply.code(500);
    throw error;
  };
}

/** Notes by what the credentials were verified, where a body may come after them. */
function noteVerified(request: FastifyRequest, verify: Scheme): void {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = request.headers;
  if (length === '0' && coding === undefined) return;
  request.verifyAgain ??= verify;
  setImmediate(() => {
    request.isVerifiedBefore = true;
  });
}

function reaches({ credential: { scopes } }: AuthUser, { routeOptions }: FastifyRequest): boolean {
  const { scope } = routeOptions.config;
  return scopes === null || scope === 'any' || (scope !== undefined && scopes.includes(scope));
}
