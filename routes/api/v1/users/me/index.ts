import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FieldErrors } from '../../../../../src/errors.ts';
import { findPasswordFaults } from '../../../../../src/password-policy.ts';
import { changePassword, checkEmail, deleteUser } from '../../../../../src/users.ts';
import type { Static } from '../../../../../src/vendor/typebox.ts';
import { toAccount } from '../schemas.ts';
import * as schemas from './schemas.ts';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { prisma } = fastify;

  fastify.addHook('onRequest', fastify.forbidStoring);

  fastify.get('/', { schema: schemas.read }, onRead);
  fastify.patch('/', { schema: schemas.change }, onChange);
  fastify.post('/password', { schema: schemas.changePassword, config: { hashes: true } }, onChangePassword);
  fastify.delete('/', { schema: schemas.remove, config: { hashes: true } }, onRemove);

  async function onRead({ user: { id } }: FastifyRequest) {
    return toAccount(await prisma.user.findUniqueOrThrow({ where: { id } }));
  }

  async function onChange(request: FastifyRequest<{ Body: Static<typeof schemas.change.body> }>) {
    if (request.body.email === undefined) return onRead(request);
    const data = { email: readEmail(request.body.email) };
    const user = await prisma.user.update({ where: { id: request.user.id }, data });
    request.audit('user.changed');
    return toAccount(user);
  }

  async function onChangePassword(
    request: FastifyRequest<{ Body: Static<typeof schemas.changePassword.body> }>,
    reply: FastifyReply,
  ) {
    const { current_password, new_password } = request.body;
    const { user, login } = await fastify.provePassword(request, current_password);
    if (!login) throw new FieldErrors({ current_password: ['Invalid password.'] });
    const faults = await findPasswordFaults(new_password, user);
    if (faults.length > 0) throw new FieldErrors({ new_password: faults });
    if (!(await changePassword(prisma, login, new_password, request.user.credential))) {
      throw new FieldErrors({ current_password: ['Invalid password.'] });
    }
    request.audit('password.changed');
    reply.code(204);
  }

  async function onRemove(request: FastifyRequest<{ Body: Static<typeof schemas.remove.body> }>, reply: FastifyReply) {
    const { login } = await fastify.provePassword(request, request.body.password);
    if (!login) throw new FieldErrors({ password: ['Invalid password.'] });
    if (!(await deleteUser(prisma, login.id))) {
      throw new FieldErrors({ non_field_errors: ['You are the last active superuser, who cannot be deleted.'] });
    }
    request.audit('user.deleted');
    reply.code(204);
  }
};

function readEmail(given: string): string {
  try {
    return checkEmail(given);
  } catch (error) {
    throw new FieldErrors({ email: [(error as Error).message] });
  }
}

export default routes;
