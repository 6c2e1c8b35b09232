import fp from 'fastify-plugin';
import { AccessTokenRefused, BadBearerHeader, JwtInvalid, JwtWrongType, UserInactive } from '../src/errors.ts';
import { type JwtCodec, type JwtKey, type PublicJwk, readClaims, verifyByKeys } from '../src/jwt-codec.ts';
import fastifyJwt, { type FastifyJWTOptions, type JWT } from '../src/vendor/jwt.ts';
import credentials, { type AuthUser, defineScheme, type Scheme } from './credentials.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Signs and verifies this service's JWTs. */
    jwtCodec: JwtCodec;
    /** The public keys of the JWTs, for whoever else verifies them; none where they are signed by a secret. */
    publicJwks: PublicJwk[];
    /** Accepts `Authorization: Bearer <access JWT>`; sets `request.user`, or throws. */
    verifyJwt: Scheme;
  }
}
declare module '@fastify/jwt' {
  interface FastifyJWT {
    namespaces: string;
    user: AuthUser;
  }
}

export interface JwtAuthOptions {
  /** The first signs, all verify. A secret has 32 bytes or more (RFC 7518, 3.2). */
  keys: [JwtKey, ...JwtKey[]];
  /** The `iss` of the JWTs; where it is given, one of another issuer is refused. */
  issuer?: string | undefined;
  /** The `aud` of the JWTs; where it is given, one for another audience is refused. */
  audience?: string | undefined;
  /** The user of a session that has not ended, by the claims `sid` and `user_id`. */
  findUser(sid: string, userId: number): Promise<AuthUser | undefined>;
}

/** auth.ts registers it, with this service's options. */
export const autoload = false;

/** The scheme of JWT access tokens (RFC 6750, RFC 7519), as SimpleJWT's JWTAuthentication. */
export default fp(
  async (fastify, options: JwtAuthOptions) => {
    const { keys, findUser } = options;
    if (typeof findUser !== 'function') throw new TypeError('jwt-auth: findUser must be a function');
    if (!keys?.length) throw new TypeError('jwt-auth: keys must have one key or more');
    if (keys.some(({ secret }) => typeof secret === 'string' && Buffer.byteLength(secret) < 32)) {
      throw new TypeError('jwt-auth: a secret must have 32 bytes or more');
    }
    await fastify.register(credentials);
    for (const [index, key] of keys.entries()) {
      await fastify.register(fastifyJwt, { namespace: `jwt${index}`, ...optionsOf(key, options) });
    }
    const [signing, ...others] = keys.map((_, index) => fastify.jwt[`jwt${index}`]) as [JWT, ...JWT[]];
    const verifiers = [signing, ...others].map((jwt) => (token: string) => jwt.verify(token));
    const jwtCodec: JwtCodec = {
      sign: (claims) => signing.sign(claims),
      verify: verifyByKeys(keys, verifiers),
    };
    fastify.decorate('jwtCodec', jwtCodec);
    const publicJwks = keys.flatMap((key) => key.jwk ?? []);
    fastify.decorate('publicJwks', publicJwks);
    const [{ algorithm, jwk }] = keys;
    fastify.log.info({ event: 'key.in_use', algorithm, kid: jwk?.kid, fallbacks: keys.length - 1 }, 'security');

    fastify.decorate(
      'verifyJwt',
      defineScheme('Bearer realm="api"', async ([keyword, token, ...rest]) => {
        if (keyword !== 'Bearer') return undefined;
        if (!token || rest.length > 0) throw new BadBearerHeader();
        const claims = readAccessClaims(jwtCodec, token);
        const user = await findUser(claims.sid, claims.user_id);
        if (!user) throw new AccessTokenRefused(new JwtInvalid().message);
        if (!user.isActive) throw new UserInactive();
        return user;
      }),
    );
  },
  { name: 'jwt-auth' },
);

const MAX_KNOWN_TOKENS = 1000;

/** A key with its one algorithm, so that no token can have it used by another. */
function optionsOf(
  { algorithm, secret, jwk }: JwtKey,
  { issuer: iss, audience: aud }: JwtAuthOptions,
): FastifyJWTOptions {
  return {
    secret,
    sign: { algorithm, ...(jwk && { kid: jwk.kid }), ...(iss && { iss }), ...(aud && { aud }) },
    verify: {
      algorithms: [algorithm],
      // That a signature holds stays true; all else is asked for each time.
      cache: MAX_KNOWN_TOKENS,
      ...(iss && { allowedIss: iss }),
      ...(aud && { allowedAud: aud }),
      // A claim that is not there would count as allowed.
      requiredClaims: [...(iss ? ['iss'] : []), ...(aud ? ['aud'] : [])],
    },
    decoratorName: 'jwtPayload',
  };
}

function readAccessClaims(codec: JwtCodec, token: string) {
  try {
    const claims = readClaims(codec, token);
    if (claims.token_type !== 'access') throw new JwtWrongType();
    return claims;
  } catch (error) {
    throw new AccessTokenRefused((error as Error).message);
  }
}
