export { default, LogController } from 'fastify';
