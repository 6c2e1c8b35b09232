import fp from 'fastify-plugin';
import helmet from 'helmet';

declare module 'fastify' {
  interface FastifyInstance {
    /** What every answer carries. */
    securityHeaders: Record<string, string>;
    /** A hook for answers that hold what no cache may keep. */
    forbidStoring(request: FastifyRequest, reply: FastifyReply, done: () => void): void;
  }
}

/** helmet's headers, with a content-security policy for answers that are data and never a page. */
export default fp(
  async (fastify) => {
    const headers = computeHeaders();
    fastify.decorate('securityHeaders', headers);
    fastify.decorate('forbidStoring', (_request, reply, done) => {
      reply.header('cache-control', 'no-store');
      done();
    });
    fastify.addHook('onRequest', (_request, reply, done) => {
      reply.headers(headers);
      done();
    });
  },
  { name: 'security-headers' },
);

/** helmet's answer is the same for every request, so it is asked once. */
function computeHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  const apply = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  const response = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => {},
  };
  apply({} as never, response as never, () => {});
  return headers;
}
