import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Metrics } from '../src/metrics.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** The metrics of this process; undefined where they are off. */
    metrics: Metrics | undefined;
  }
}

const MAX_SESSIONS = 100_000;

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Measures what is asked and what it does, where METRICS_PORT is set; `serve` serves it there. */
export default fp(
  async (fastify) => {
    fastify.decorate('metrics', undefined);
    if (fastify.config.METRICS_PORT === undefined) return;
    const { createMetrics } = await import('../src/metrics.ts');
    const { prisma } = fastify;
    let counting: Promise<number> | undefined;
    const countSessions = () => prisma.session.count({ where: { expiresAt: { gt: new Date() } }, take: MAX_SESSIONS });
    const metrics = createMetrics({
      // One count at a time, lest scrapes take the connections of a database that is slow.
      countSessions: () => {
        counting ??= countSessions().finally(() => {
          counting = undefined;
        });
        return counting;
      },
      countShed: () => fastify.shedRequests,
      countClosedReaders: () => fastify.closedReaders,
      poolUse: fastify.poolUse,
    });
    fastify.metrics = metrics;
    fastify.addHook('onResponse', (request, reply, done) => {
      countRequest(request, reply, reply.statusCode);
      done();
    });
  },
  { name: 'metrics', dependencies: ['prisma', 'overload', 'slow-readers'] },
);

/** Counts a request that is over, with the status that it has ended with; where metrics are on. */
export function countRequest(request: FastifyRequest, reply: FastifyReply, status: number): void {
  const labels = { method: methodOf(request), route: routeOf(request), status };
  request.server.metrics?.requests.observe(labels, reply.elapsedTime / 1000);
}

/** The route's pattern: there are as many as routes, and one more. */
export function routeOf(request: FastifyRequest): string {
  return request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched');
}

function methodOf({ method }: FastifyRequest): string {
  return METHODS.has(method) ? method : 'other';
}
