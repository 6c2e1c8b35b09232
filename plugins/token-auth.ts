import { isUtf8 } from 'node:buffer';
import fp from 'fastify-plugin';
import { API_TOKEN, digestApiToken } from '../src/api-tokens.ts';
import {
  EmptyTokenHeader,
  InvalidToken,
  SpacedTokenHeader,
  TokenUserInactive,
  UndecodableTokenHeader,
} from '../src/errors.ts';
import { defineScheme } from './credentials.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Accepts `Authorization: Token <key>`; sets `request.user`, or throws. */
    verifyApiToken(request: FastifyRequest): Promise<void>;
  }
}

/** The scheme of opaque API tokens, as Django REST Framework's TokenAuthentication. */
export default fp(
  async (fastify) => {
    const { apiToken } = fastify.prisma;

    fastify.decorate(
      'verifyApiToken',
      defineScheme('Token', async ([keyword, key, ...rest]) => {
        if (keyword?.toLowerCase() !== 'token') return undefined;
        if (!key) throw new EmptyTokenHeader();
        if (rest.length > 0) throw new SpacedTokenHeader();
        if (!isUtf8(Buffer.from(key, 'latin1'))) throw new UndecodableTokenHeader();
        const user = API_TOKEN.test(key) ? await apiToken.findUser(digestApiToken(key)) : undefined;
        if (!user) throw new InvalidToken();
        if (!user.isActive) throw new TokenUserInactive();
        return user;
      }),
    );
  },
  { name: 'token-auth', dependencies: ['prisma', 'credentials'] },
);
