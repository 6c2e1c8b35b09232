export { default, type FastifyJWTOptions, type JWT } from '@fastify/jwt';
