import fp from 'fastify-plugin';

/** A 304 has no length (RFC 9110, 8.6), which Fastify's own routes for HEAD would give as 0. */
export default fp(
  async (fastify) => {
    fastify.addHook('onRoute', (route) => {
      if (route.method !== 'HEAD') return;
      route.onSend = [
        ...[route.onSend ?? []].flat(),
        (_request, reply, payload, done) => {
          if (reply.statusCode === 304) reply.removeHeader('content-length');
          done(null, payload);
        },
      ];
    });
  },
  { name: 'not-modified' },
);
