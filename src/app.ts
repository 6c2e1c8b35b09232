import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import autoload from '@fastify/autoload';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from './config.ts';
import { BodyTooLarge, NotFound } from './errors.ts';
import { loggerOptions } from './logging.ts';
import { RequestLog } from './request-log.ts';
import { secretKeyOf } from './secret.ts';
import Fastify from './vendor/fastify.ts';

declare module 'fastify' {
  interface FastifyInstance {
    config: Config & { SECRET_KEY: string };
  }
}

const ROOM = join(import.meta.dirname, '..');

/** Makes the app, for serving and for tests; `listen` or `ready` starts it, `close` ends it. */
export async function buildApp(config: Config): Promise<FastifyInstance> {
  const app = Fastify({
    logger: loggerOptions(config.LOG_LEVEL),
    logController: new RequestLog(),
    genReqId: () => randomUUID(),
    trustProxy: config.TRUST_PROXY.length > 0 ? config.TRUST_PROXY : false,
    bodyLimit: 256 * 1024,
    // From the first byte to the last; for the headers alone; and while nothing moves, for who does not read.
    requestTimeout: 30_000,
    connectionTimeout: 30_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 5_000, requireHostHeader: false },
    return503OnClosing: false,
    routerOptions: {
      ignoreTrailingSlash: true,
      // Ids of any length are just unknown; the whole URL is bounded by Node.
      maxParamLength: 16 * 1024,
      querystringParser: (text) => (text === '' ? {} : Object.fromEntries(new URLSearchParams(text))),
    },
    frameworkErrors: answerUndecodable,
    clientErrorHandler: answerMalformed,
  });

  // As Django does, and not Node's answer without a body.
  app.server.on('checkExpectation', app.routing);
  // Their bytes are bounded. Of more Node would drop those at the end, which may be a proxy's own.
  app.server.maxHeadersCount = 0;
  app.decorate('config', { ...config, SECRET_KEY: secretKeyOf(config) });
  app.register(autoload, { dir: join(ROOM, 'plugins') });
  app.register(autoload, {
    dir: join(ROOM, 'routes'),
    autoHooks: true,
    cascadeHooks: true,
  });
  // Where a plugin fails, this throws its error.
  await app.after();
  app.answerOtherMethods();
  await app;
  return app;
}

/** A URL that cannot be decoded names nothing; it reaches no hook. */
function answerUndecodable(_error: Error, request: FastifyRequest, reply: FastifyReply): void {
  request.log.info({ method: request.method, status: 404 }, 'request');
  reply.code(404).headers({ ...reply.server.securityHeaders, 'x-request-id': request.id });
  reply.type('application/json; charset=utf-8').send(JSON.stringify({ detail: new NotFound().message }));
}

/** Answers what is no HTTP request, and so reaches no hook, on the bare socket. */
function answerMalformed(this: FastifyInstance, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, detail] = MALFORMED[error.code ?? ''] ?? ['400 Bad Request', 'Malformed request.'];
  const body = JSON.stringify({ detail });
  const reqId = randomUUID();
  this.log.info({ reqId, code: error.code, status: Number.parseInt(status, 10) }, 'request');
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `X-Request-Id: ${reqId}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const MALFORMED: Record<string, [string, string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'Request timed out.'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'Request headers are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', new BodyTooLarge().message],
};
