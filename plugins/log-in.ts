import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Throttled } from '../src/errors.ts';
import { createLoginThrottle } from '../src/login-throttle.ts';
import { attemptLogin, type Login } from '../src/users.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Logs a user in by password, and logs what came of it; undefined where the credentials are refused.
     * @throws {Throttled} where too many failed before
     */
    logIn(request: FastifyRequest, credentials: Credentials): Promise<Login | undefined>;
    /**
     * The user of an authenticated request, and their login where this is their password; fails
     * (`isMissing`) where they were deleted.
     * @throws {Throttled} where too many failed before
     */
    provePassword(
      request: FastifyRequest,
      password: string,
    ): Promise<{ user: { username: string; email: string }; login: Login | undefined }>;
    /**
     * Counts an attempt to register.
     * @throws {Throttled}
     */
    throttleRegistration(request: FastifyRequest): Promise<void>;
  }
}

interface Credentials {
  username: string;
  password: string;
}

/** Logging in by password, at no more than the configured rate of failures. */
export default fp(
  async (fastify) => {
    const { config, prisma } = fastify;
    const throttle =
      config.LOGIN_THROTTLE === 'on'
        ? createLoginThrottle(prisma, {
            perUser: config.LOGIN_FAILURES_PER_USER,
            perAddress: config.LOGIN_FAILURES_PER_ADDRESS,
          })
        : undefined;

    async function attempt(request: FastifyRequest, { username, password }: Credentials) {
      // The socket of a client that has gone has none any more.
      const address = request.ip;
      const isAwaited = () => !request.socket.destroyed;
      const run = () => attemptLogin(prisma, username, password, isAwaited);
      const attempted = throttle ? throttle.logIn(address, username, run) : run();
      const { login, userId } = await attempted.catch((error) => {
        if (error instanceof Throttled) request.audit('login.throttled');
        throw error;
      });
      // Never the name that was typed: it may be a password.
      if (!login) request.audit('login.failed', { userId, address });
      return login;
    }

    fastify.decorate('logIn', async (request, credentials) => {
      const login = await attempt(request, credentials);
      if (login) request.audit('login.succeeded', { userId: login.id });
      return login;
    });

    fastify.decorate('provePassword', async (request, password) => {
      const find = () => prisma.user.findUniqueOrThrow({ where: { id: request.user.id }, omit: { password: true } });
      const user = await find();
      const login = await attempt(request, { username: user.username, password });
      // Refused as a deleted user who was deleted meanwhile.
      if (!login) await find();
      return { user, login };
    });

    fastify.decorate('throttleRegistration', async (request) => {
      await throttle?.register(request.ip).catch((error) => {
        if (error instanceof Throttled) request.audit('registration.throttled');
        throw error;
      });
    });
  },
  { name: 'log-in', dependencies: ['prisma', 'audit'] },
);
