import fp from 'fastify-plugin';

/** Every route of this folder needs credentials, of either scheme. */
export default fp(async (fastify) => {
  fastify.addHook('onRequest', fastify.authenticate);
});
