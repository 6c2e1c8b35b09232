import fastifyJwt, { type FastifyJWTOptions, type JWT } from '@fastify/jwt';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.ts';
import { AccessTokenRefused, BadBearerHeader, JwtInvalid, JwtWrongType, UserInactive } from '../src/errors.ts';
import { type JwtKey, loadJwtKeys, type PublicJwk, verifyByKeys } from '../src/jwt-keys.ts';
import { type JwtCodec, readClaims } from '../src/sessions.ts';
import { defineScheme } from './credentials.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Signs and verifies this service's JWTs. */
    jwtCodec: JwtCodec;
    /** The public keys of the JWTs, for whoever else verifies them; none where they are signed by a secret. */
    publicJwks: PublicJwk[];
    /** Accepts `Authorization: Bearer <access JWT>`; sets `request.user`, or throws. */
    verifyJwt(request: FastifyRequest): Promise<void>;
  }
}
declare module '@fastify/jwt' {
  interface FastifyJWT {
    namespaces: string;
  }
}

/** The scheme of JWT access tokens (RFC 6750, RFC 7519), as SimpleJWT's JWTAuthentication. */
export default fp(
  async (fastify) => {
    const keys = loadJwtKeys(fastify.config);
    const [{ algorithm, jwk }] = keys;
    for (const [index, key] of keys.entries()) {
      await fastify.register(fastifyJwt, { namespace: `jwt${index}`, ...optionsOf(key, fastify.config) });
    }
    const [signing, ...others] = keys.map((_, index) => fastify.jwt[`jwt${index}`]) as [JWT, ...JWT[]];
    const verifiers = [signing, ...others].map((jwt) => (token: string) => jwt.verify(token));
    fastify.decorate('jwtCodec', {
      sign: (claims) => signing.sign(claims),
      verify: verifyByKeys(keys, verifiers),
    });
    const publicJwks = keys.flatMap((key) => key.jwk ?? []);
    fastify.decorate('publicJwks', publicJwks);
    fastify.log.info({ event: 'key.in_use', algorithm, kid: jwk?.kid, fallbacks: keys.length - 1 }, 'security');

    const { findUser } = fastify.prisma.session;

    fastify.decorate(
      'verifyJwt',
      defineScheme('Bearer realm="api"', async ([keyword, token, ...rest]) => {
        if (keyword !== 'Bearer') return undefined;
        if (!token || rest.length > 0) throw new BadBearerHeader();
        const claims = readAccessClaims(fastify.jwtCodec, token);
        const user = await findUser(claims.sid, claims.user_id);
        if (!user) throw new AccessTokenRefused(new JwtInvalid().message);
        if (!user.isActive) throw new UserInactive();
        return user;
      }),
    );
  },
  { name: 'jwt-auth', dependencies: ['prisma', 'credentials'] },
);

const MAX_KNOWN_TOKENS = 1000;

/** A key with its one algorithm, so that no token can have it used by another. */
function optionsOf(
  { algorithm, secret, jwk }: JwtKey,
  { JWT_ISSUER: iss, JWT_AUDIENCE: aud }: Config,
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
