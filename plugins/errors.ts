import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { isMissing, isUnavailable } from '../src/database/index.ts';
import {
  BodyTooLarge,
  MissingHost,
  NoActiveAccount,
  NotAuthenticated,
  NotFound,
  SeveralHosts,
  Unavailable,
  type WireError,
} from '../src/errors.ts';

const BEARER = 'Bearer realm="api"';

// Not audited: no credential was sent, or the log-in has an event of its own.
const SILENT = new Set<string>([new NotAuthenticated().code, new NoActiveAccount().code]);

/** Gives every error its shape on the wire: `{"detail": …}`, or an object of messages by field. */
export default fp(
  async (fastify) => {
    fastify.setErrorHandler<WireError>(async (error, request, reply) =>
      sendError((await refusalOfDeletedUser(error, request, reply)) ?? error ?? new Error('nothing'), request, reply),
    );
    fastify.setNotFoundHandler(() => {
      throw new NotFound();
    });
    // A path that does not exist is answered before its body is looked at.
    fastify.addHook('onRequest', (request, reply, done) => {
      // RFC 9112, 3.2; Node's own answer would have no body.
      if (request.headers.host === undefined && request.raw.httpVersion === '1.1') done(new MissingHost());
      else if (hasSeveralHosts(request.raw.rawHeaders)) done(new SeveralHosts());
      else if (request.is404) done(new NotFound());
      // The preflight route of CORS stands for every path.
      else if (request.routeOptions.url === '*') reply.callNotFound();
      else done();
    });
  },
  { name: 'errors', dependencies: ['request-id', 'security-headers', 'shutdown', 'cors', 'audit'] },
);

function hasSeveralHosts(rawHeaders: string[]): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}

/** A request whose user was deleted after its credentials were verified is refused as if that had come before. */
async function refusalOfDeletedUser(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  if (!request.user || !isMissing(error) || !request.server.hasDecorator('authenticate')) return undefined;
  request.challenges = null;
  return new Promise<WireError | undefined>((resolve) => request.server.authenticate(request, reply, resolve));
}

/** Answers with an error of this service; any other is a fault, logged and shown to nobody. */
function sendError(cause: WireError, request: FastifyRequest, reply: FastifyReply) {
  const error = toWireError(cause);
  const { statusCode = 500 } = error;
  const status = statusCode >= 400 ? statusCode : 500;
  // What the service refuses for its load is no fault; the line of the request tells of it.
  if (status >= 500 && !(cause instanceof Unavailable)) request.log.error({ err: cause }, 'request failed');
  if (error.audit) request.audit(error.audit.event, error.audit);
  else if (status === 401 && !SILENT.has(String(error.code))) {
    request.audit('credential.refused', { reason: error.code });
  }
  if (status === 401) reply.header('www-authenticate', request.challenges ?? BEARER);
  const { retryAfter = status === 503 ? 1 : undefined } = error;
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  const body = status === 500 ? { detail: 'A server error occurred.' } : (error.body ?? { detail: error.message });
  // As text, so that no response schema takes part in it.
  return reply.code(status).type('application/json; charset=utf-8').send(JSON.stringify(body));
}

/** The errors of the framework and the database that a request can meet, as this service's own. */
function toWireError(error: WireError): WireError {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new BodyTooLarge();
  if (error.code === 'FST_STATIC_FORBIDDEN_PATH') return new NotFound();
  // A client that went away has an error of the connection, too.
  return error.statusCode === undefined && isUnavailable(error) ? new Unavailable() : error;
}
