export { default } from '@fastify/swagger';
