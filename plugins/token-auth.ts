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

const NOTED_EVERY_MS = 5 * 60_000;

/** The scheme of opaque API tokens, as Django REST Framework's TokenAuthentication. */
export default fp(
  async (fastify) => {
    const { findUser, noteUse } = fastify.prisma.apiToken;

    fastify.decorate(
      'verifyApiToken',
      defineScheme('Token', async ([keyword, key, ...rest]) => {
        if (keyword?.toLowerCase() !== 'token') return undefined;
        if (!key) throw new EmptyTokenHeader();
        if (rest.length > 0) throw new SpacedTokenHeader();
        const isKey = API_TOKEN.test(key);
        if (!isKey && !isUtf8(Buffer.from(key, 'latin1'))) throw new UndecodableTokenHeader();
        const user = isKey ? await findUser(digestApiToken(key)) : undefined;
        if (!user) throw new InvalidToken();
        if (!user.isActive) throw new TokenUserInactive();
        if (user.credential.kind === 'token') noteInPassing(user.credential);
        return user;
      }),
    );

    /** Off the path of the answer, and without a say in it. */
    function noteInPassing(token: { id: number; lastUsedAt: Date | null }): void {
      const now = Date.now();
      if (token.lastUsedAt && now - token.lastUsedAt.getTime() < NOTED_EVERY_MS) return;
      token.lastUsedAt = new Date(now);
      noteUse(token.id, new Date(now - NOTED_EVERY_MS)).catch((err) =>
        fastify.log.warn({ err }, 'use of a token was not noted'),
      );
    }
  },
  { name: 'token-auth', dependencies: ['prisma', 'credentials'] },
);
