import fastifyCors from '@fastify/cors';
import fp from 'fastify-plugin';

/** CORS for the configured origins; none are configured by default, and then it is off. */
export default fp(
  async (fastify) => {
    if (fastify.config.CORS_ORIGINS.length === 0) return;
    await fastify.register(fastifyCors, {
      origin: fastify.config.CORS_ORIGINS,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      exposedHeaders: [
        'Link',
        'ETag',
        'Location',
        'Idempotent-Replayed',
        'Retry-After',
        'WWW-Authenticate',
        'X-Request-Id',
      ],
      maxAge: 600,
      // The routes answer OPTIONS themselves, with `Allow`.
      strictPreflight: false,
      preflightContinue: true,
    });
  },
  { name: 'cors' },
);
