import fastifyJwt from '@fastify/jwt';
import fp from 'fastify-plugin';
import { AccessTokenRefused, BadBearerHeader, JwtInvalid, JwtWrongType, UserInactive } from '../src/errors.ts';
import { type JwtCodec, readClaims } from '../src/sessions.ts';
import { defineScheme } from './credentials.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Signs and verifies this service's JWTs. */
    jwtCodec: JwtCodec;
    /** Accepts `Authorization: Bearer <access JWT>`; sets `request.user`, or throws. */
    verifyJwt(request: FastifyRequest): Promise<void>;
  }
}

/** The scheme of JWT access tokens (RFC 6750, RFC 7519), as SimpleJWT's JWTAuthentication. */
export default fp(
  async (fastify) => {
    await fastify.register(fastifyJwt, {
      secret: fastify.config.SECRET_KEY,
      sign: { algorithm: 'HS256' },
      verify: { algorithms: ['HS256'] },
      decoratorName: 'jwtPayload',
    });
    fastify.decorate('jwtCodec', {
      sign: (claims) => fastify.jwt.sign(claims),
      verify: (token) => fastify.jwt.verify(token),
    });

    const { session } = fastify.prisma;

    fastify.decorate(
      'verifyJwt',
      defineScheme('Bearer realm="api"', async ([keyword, token, ...rest]) => {
        if (keyword !== 'Bearer') return undefined;
        if (!token || rest.length > 0) throw new BadBearerHeader();
        const claims = readAccessClaims(fastify.jwtCodec, token);
        const user = await session.findUser(claims.sid, claims.user_id);
        if (!user) throw new AccessTokenRefused(new JwtInvalid().message);
        if (!user.isActive) throw new UserInactive();
        return user;
      }),
    );
  },
  { name: 'jwt-auth', dependencies: ['prisma', 'credentials'] },
);

function readAccessClaims(codec: JwtCodec, token: string) {
  try {
    const claims = readClaims(codec, token);
    if (claims.token_type !== 'access') throw new JwtWrongType();
    return claims;
  } catch (error) {
    throw new AccessTokenRefused((error as Error).message);
  }
}
