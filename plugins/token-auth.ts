import { isUtf8 } from 'node:buffer';
import fp from 'fastify-plugin';
import { API_TOKEN, digestApiToken } from '../src/api-token-keys.ts';
import {
  EmptyTokenHeader,
  InvalidToken,
  SpacedTokenHeader,
  TokenUserInactive,
  UndecodableTokenHeader,
} from '../src/errors.ts';
import credentials, { type AuthUser, defineScheme, type Scheme } from './credentials.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Accepts `Authorization: Token <key>`; sets `request.user`, or throws. */
    verifyApiToken: Scheme;
  }
}

export interface TokenAuthOptions {
  /** The user of a token that has not ended, by the token's SHA-256 in hex. */
  findUser(digest: string): Promise<AuthUser | undefined>;
  /** Is told whose token was used; the answer does not wait for it, and it may fail. */
  noteUse?: (user: AuthUser) => Promise<unknown> | undefined;
}

/** auth.ts registers it, with this service's options. */
export const autoload = false;

/** The scheme of opaque API tokens, 40 hex characters, as Django REST Framework's TokenAuthentication. */
export default fp(
  async (fastify, { findUser, noteUse }: TokenAuthOptions) => {
    if (typeof findUser !== 'function') throw new TypeError('token-auth: findUser must be a function');
    await fastify.register(credentials);
    const warn = (err: unknown) => fastify.log.warn({ err }, 'use of a token was not noted');

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
        noteUse?.(user)?.catch(warn);
        return user;
      }),
    );
  },
  { name: 'token-auth' },
);
