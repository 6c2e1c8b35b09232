import { METHODS } from 'node:http';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import fp from 'fastify-plugin';
import { MethodNotAllowed } from '../src/errors.ts';
import { BODY_TYPES } from '../src/schemas.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Gives each URL its answers to the methods it does not have; to be called when all routes are there. */
    answerOtherMethods(): void;
  }
}

// The order in which Django REST Framework lists methods.
const ORDER = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

/** OPTIONS answers 200 and any other method that a URL does not have 405, both with `Allow`. */
export default fp(
  async (fastify) => {
    const resources = new Map<string, { instance: FastifyInstance; methods: Set<string> }>();
    for (const method of METHODS) if (!fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method);

    fastify.addHook('onRoute', function (route) {
      if (route.url.includes('*')) return;
      const url = route.url.replace(/(?<=.)\/$/, '');
      const resource = resources.get(url) ?? { instance: this, methods: new Set() };
      for (const method of [route.method].flat()) resource.methods.add(method);
      resources.set(url, resource);
    });

    fastify.decorate('answerOtherMethods', () => {
      for (const [url, { instance, methods }] of [...resources]) {
        const missing = fastify.supportedMethods.filter((method) => !methods.has(method) && method !== 'OPTIONS');
        const allow = ORDER.filter((method) => methods.has(method) || method === 'OPTIONS').join(', ');
        // Registered where the URL's own routes are, so that their credentials are asked for first.
        instance.route({
          method: missing as HTTPMethods[],
          url: url.slice(instance.prefix.length),
          schema: { hide: true },
          config: { scope: 'any' },
          onRequest: async (request, reply) => {
            reply.header('allow', allow);
            throw new MethodNotAllowed(request.method);
          },
          handler: async () => {},
        });
        fastify.options(url, { schema: { hide: true } }, async (_request, reply) => {
          reply.header('allow', allow);
          return { renders: ['application/json'], parses: BODY_TYPES };
        });
      }
    });
  },
  { name: 'other-methods' },
);
