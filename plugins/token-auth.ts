import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { API_TOKEN, digestApiToken } from '../src/api-tokens.ts';
import { EmptyTokenHeader, InvalidToken, SpacedTokenHeader, TokenUserInactive } from '../src/errors.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Accepts `Authorization: Token <key>`; sets `request.user`, or refuses. */
    verifyApiToken(request: FastifyRequest): Promise<void>;
  }
}

const CHALLENGE = 'Token';

/** The scheme of opaque API tokens, as Django REST Framework's TokenAuthentication. */
export default fp(
  async (fastify) => {
    fastify.decorate('verifyApiToken', verifyApiToken);

    async function verifyApiToken(request: FastifyRequest) {
      const [keyword, key, ...rest] = request.headers.authorization?.split(/\s+/) ?? [];
      if (keyword?.toLowerCase() !== 'token') return request.refuse(CHALLENGE);
      if (!key) return request.refuse(CHALLENGE, new EmptyTokenHeader());
      if (rest.length > 0) return request.refuse(CHALLENGE, new SpacedTokenHeader());
      const user = API_TOKEN.test(key) ? await fastify.prisma.apiToken.findUser(digestApiToken(key)) : undefined;
      if (!user) return request.refuse(CHALLENGE, new InvalidToken());
      if (!user.isActive) return request.refuse(CHALLENGE, new TokenUserInactive());
      request.user = user;
    }
  },
  { name: 'token-auth', dependencies: ['prisma', 'credentials'] },
);
