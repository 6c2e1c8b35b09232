import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { routeOf } from './metrics.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Logs a security event of this request, with its address and user; `details` may name another user. */
    audit(event: SecurityEvent, details?: { userId?: number | undefined; [detail: string]: unknown }): void;
  }
}

/** Every security event of a request by its name, which stays, and what is worth somebody's attention. */
const LEVELS = {
  'login.succeeded': 'info',
  'login.failed': 'info',
  'login.throttled': 'warn',
  'registration.throttled': 'warn',
  'credential.refused': 'info',
  'token.created': 'info',
  'token.ended': 'info',
  'session.ended': 'info',
  'session.reused': 'warn',
  'user.registered': 'info',
  'user.changed': 'info',
  'user.deleted': 'info',
  'password.changed': 'info',
} as const;
export type SecurityEvent = keyof typeof LEVELS;

/** Security events in the log: lines that have an `event`, and never a credential. */
export default fp(
  async (fastify) => {
    fastify.decorateRequest('audit', function (this: FastifyRequest, event: SecurityEvent, details = {}) {
      this.server.metrics?.securityEvents.inc({ event, route: routeOf(this) });
      this.log[LEVELS[event]]({ event, userId: this.user?.id, address: this.ip, ...details }, 'security');
    });
  },
  { name: 'audit' },
);
