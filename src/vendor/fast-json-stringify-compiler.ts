export { SerializerSelector } from '@fastify/fast-json-stringify-compiler';
