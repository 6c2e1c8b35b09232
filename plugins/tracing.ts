import fp from 'fastify-plugin';
import { isTracingOn, startTracing } from '../src/tracing.ts';
import { routeOf } from './metrics.ts';

const UNSET = 0;

/**
 * A trace of OpenTelemetry for each request, where its variables ask for that: one span with method, route
 * and status, under the caller's where the request says so. Its id is in the log as `traceId`. What has no
 * route has no trace.
 */
export default fp(
  async (fastify) => {
    if (!isTracingOn(process.env)) return;
    const { provider, stop } = await startTracing(process.env, fastify.log);
    const { FastifyOtelInstrumentation } = await import('@fastify/otel');
    const instrumentation = new FastifyOtelInstrumentation({
      instrumentHooks: false,
      instrumentHandler: false,
      // The log has them, with no field but their message.
      recordExceptions: false,
      requestHook(span, request) {
        const route = routeOf(request);
        span.updateName(`${request.method} ${route}`);
        // Without the query, and what a proxy's form of a request has before the path.
        span.setAttribute('url.path', request.url.split('?', 1)[0]?.replace(/^[a-z]+:\/\/[^/]*/i, '') as string);
        request.log = request.log.child({ traceId: span.spanContext().traceId });
      },
    });
    instrumentation.setTracerProvider(provider);
    await fastify.register(instrumentation.plugin());
    // An error of the client's is none of the service's, which the library says of all that is thrown.
    fastify.addHook('onSend', (request, reply, _payload, done) => {
      const { span } = request.opentelemetry();
      if (span && reply.statusCode < 500) Object.assign(span, { status: { code: UNSET } });
      done();
    });
    fastify.addHook('onClose', stop);
  },
  { name: 'tracing', dependencies: ['errors'] },
);
