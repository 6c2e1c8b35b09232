import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Viewer } from '../src/database/index.ts';
import { NotAuthenticated } from '../src/errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose credentials the request carries; null until they are verified. */
    user: Viewer;
    /** The challenges (RFC 9110, 11.6.1) of the schemes that did not accept the request. */
    challenges: string[] | null;
    /** The error of the scheme whose keyword the request used. */
    refusal: Error | null;
    refuse: typeof refuse;
  }
}

/** What the authentication schemes of a route share: the user they found, or why they found none. */
export default fp(
  async (fastify) => {
    fastify.decorateRequest('user', null as unknown as Viewer);
    fastify.decorateRequest('challenges', null);
    fastify.decorateRequest('refusal', null);
    fastify.decorateRequest('refuse', refuse);
  },
  { name: 'credentials' },
);

/**
 * Throws for a scheme: its own error, or without one, where the request used another keyword, the
 * error of that other scheme. So in any order of schemes the one that was addressed speaks.
 */
function refuse(this: FastifyRequest, challenge: string, error?: Error): never {
  this.challenges = [...(this.challenges ?? []), challenge];
  this.refusal ??= error ?? null;
  throw this.refusal ?? new NotAuthenticated();
}
