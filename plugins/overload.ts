import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    shedRequests: number;
  }
}
export default fp(
  async (fastify) => {
    fastify.decorate('shedRequests', 0);
  },
  { name: 'overload' },
);
