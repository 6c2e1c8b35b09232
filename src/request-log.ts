import type { FastifyReply, FastifyRequest } from 'fastify';
import { LogController } from './vendor/fastify.ts';

/** One line a request, when it is over; never a header, a query or a body. */
export class RequestLog extends LogController {
  override incomingRequest(): void {}
  override routeNotFound(): void {}

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    logRequest(request, reply, reply.statusCode, error);
  }
}

/** Logs a request that is over, with the status that it has ended with. */
export function logRequest(request: FastifyRequest, reply: FastifyReply, status: number, error?: Error | null): void {
  const line = {
    userId: request.user?.id,
    method: request.method,
    route: request.routeOptions.url,
    status,
    ms: Math.round(reply.elapsedTime * 100) / 100,
  };
  if (error) request.log.error({ ...line, err: error }, 'request');
  else request.log.info(line, 'request');
}
