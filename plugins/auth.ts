import fp from 'fastify-plugin';
import type { Scope } from '../src/api-tokens.ts';
import type { LiveUser } from '../src/database/index.ts';
import { loadJwtKeys } from '../src/jwt-keys.ts';
import authenticate from './authenticate.ts';
import jwtAuth from './jwt-auth.ts';
import tokenAuth from './token-auth.ts';

declare module './credentials.ts' {
  interface AuthTypes {
    user: LiveUser;
    scope: Scope;
  }
}

const NOTED_EVERY_MS = 5 * 60_000;

/** The authentication schemes with this service's options: its keys, and its users by the database. */
export default fp(
  async (fastify) => {
    const { apiToken, session } = fastify.prisma;
    const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = fastify.config;
    const keys = loadJwtKeys(fastify.config);
    await fastify.register(tokenAuth, { findUser: apiToken.findUser, noteUse });
    await fastify.register(jwtAuth, { findUser: session.findUser, keys, issuer, audience });
    await fastify.register(authenticate);

    function noteUse({ credential }: LiveUser): Promise<void> | undefined {
      if (credential.kind !== 'token') return undefined;
      const now = Date.now();
      if (credential.lastUsedAt && now - credential.lastUsedAt.getTime() < NOTED_EVERY_MS) return undefined;
      credential.lastUsedAt = new Date(now);
      return apiToken.noteUse(credential.id, new Date(now - NOTED_EVERY_MS));
    }
  },
  { name: 'auth', dependencies: ['prisma'] },
);
