export { Busboy, type BusboyHeaders } from '@fastify/busboy';
