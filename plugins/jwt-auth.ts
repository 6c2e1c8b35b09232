import fastifyJwt from '@fastify/jwt';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { AccessTokenRefused, BadBearerHeader, JwtInvalid, JwtWrongType, UserInactive } from '../src/errors.ts';
import { type JwtCodec, readClaims } from '../src/sessions.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Signs and verifies this service's JWTs. */
    jwtCodec: JwtCodec;
    /** Accepts `Authorization: Bearer <access JWT>`; sets `request.user`, or refuses. */
    verifyJwt(request: FastifyRequest): Promise<void>;
  }
}

const CHALLENGE = 'Bearer realm="api"';

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
    fastify.decorate('verifyJwt', verifyJwt);

    async function verifyJwt(request: FastifyRequest) {
      const [keyword, token, ...rest] = request.headers.authorization?.split(/\s+/) ?? [];
      if (keyword !== 'Bearer') return request.refuse(CHALLENGE);
      if (!token || rest.length > 0) return request.refuse(CHALLENGE, new BadBearerHeader());
      const claims = readAccessClaims(request, token);
      const user = await fastify.prisma.session.findUser(claims.sid, claims.user_id);
      if (!user) return request.refuse(CHALLENGE, new AccessTokenRefused(new JwtInvalid().message));
      if (!user.isActive) return request.refuse(CHALLENGE, new UserInactive());
      request.user = user;
    }

    function readAccessClaims(request: FastifyRequest, token: string) {
      try {
        const claims = readClaims(fastify.jwtCodec, token);
        if (claims.token_type !== 'access') throw new JwtWrongType();
        return claims;
      } catch (error) {
        return request.refuse(CHALLENGE, new AccessTokenRefused((error as Error).message));
      }
    }
  },
  { name: 'jwt-auth', dependencies: ['prisma', 'credentials'] },
);
