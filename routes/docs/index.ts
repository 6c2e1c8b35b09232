import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import swaggerUi from '../../src/vendor/swagger-ui.ts';

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
    uiConfig: {
      // Without the bar on top, whose logo needs an inline style and whose field would load other documents.
      layout: 'BaseLayout',
      deepLinking: true,
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      tryItOutEnabled: true,
    },
    theme: { title: 'todo-api' },
  });
};

export default routes;
