import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CommandError, FieldErrors } from '../../../../src/errors.ts';
import { checkAccount, createUser } from '../../../../src/users.ts';
import * as schemas from './schemas.ts';

/** Registration, where it is open; elsewhere the path does not exist. */
const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, prisma } = fastify;
  if (config.REGISTRATION === 'closed') return;

  fastify.post('/', { schema: schemas.register, config: { hashes: true } }, async (request, reply) => {
    const { username, email = '', password } = request.body;
    await fastify.throttleRegistration(request);
    const account = await checkAccount({ username, email, password });
    const user = await createUser(prisma, { ...account, isSuperuser: false }).catch((error) => {
      throw error instanceof CommandError ? new FieldErrors({ username: [error.message] }) : error;
    });
    request.audit('user.registered', { userId: user.id });
    reply.code(201).header('location', '/api/v1/users/me/');
    return schemas.toAccount(user);
  });
};

export default routes;
