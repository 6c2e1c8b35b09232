import fp from 'fastify-plugin';

/** Every answer carries the id under which the log has its request, as `X-Request-Id`. */
export default fp(
  async (fastify) => {
    fastify.addHook('onRequest', (request, reply, done) => {
      reply.header('x-request-id', request.id);
      done();
    });
  },
  { name: 'request-id' },
);
