import swaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';

/** Swagger UI, which has a prefix of its own. */
export const prefixOverride = '';

// Swagger UI draws its icons from data: URLs; all else comes from here.
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  await fastify.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: CONTENT_SECURITY_POLICY,
    uiConfig: { displayRequestDuration: true, tryItOutEnabled: true, deepLinking: true },
    theme: { title: 'todo-api' },
  });
};

export default routes;
