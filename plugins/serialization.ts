import fp from 'fastify-plugin';
import { SerializerSelector } from '../src/vendor/fast-json-stringify-compiler.ts';

/**
 * Fastify's own serialisers of answers, made once for each schema, as routes share some. Errors, which the
 * plugin `errors` writes as text, need none.
 */
export default fp(
  async (fastify) => {
    const compile = SerializerSelector()();
    const serializers = new Map<string, ReturnType<typeof compile>>();
    fastify.setSerializerCompiler((definition) => {
      if (Number(definition.httpStatus) >= 400) return JSON.stringify;
      const key = JSON.stringify(definition.schema);
      const serializer = serializers.get(key) ?? compile(definition as Parameters<typeof compile>[0]);
      serializers.set(key, serializer);
      return serializer;
    });
  },
  { name: 'serialization' },
);
