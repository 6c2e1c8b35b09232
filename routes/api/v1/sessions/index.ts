import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { NotFound } from '../../../../src/errors.ts';
import * as schemas from './schemas.ts';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { session } = fastify.prisma;

  fastify.addHook('onRequest', fastify.forbidStoring);

  fastify.get('/', { schema: schemas.list }, onList);
  fastify.delete('/', { schema: schemas.removeAll }, onRemoveAll);
  fastify.delete('/:id(^[0-9a-f]{32}$)', { schema: schemas.remove }, onRemove);

  async function onList({ user }: FastifyRequest): Promise<schemas.Session[]> {
    const sessions = await session.findMany({
      where: { userId: user.id, expiresAt: { gt: new Date() } },
      orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
      take: 1000,
    });
    return sessions.map(({ id, createdAt, refreshedAt, expiresAt, userAgent, address }) => ({
      id,
      created_at: createdAt.toISOString(),
      last_refreshed_at: refreshedAt?.toISOString() ?? null,
      expires_at: expiresAt.toISOString(),
      user_agent: userAgent,
      address,
      is_current: user.credential.id === id,
    }));
  }

  async function onRemove(request: FastifyRequest<{ Params: { id: string } }>, reply: FastifyReply) {
    const { id } = request.params;
    const { count } = await session.deleteMany({ where: { id, userId: request.user.id } });
    if (count === 0) throw new NotFound();
    request.audit('session.ended', { sessionId: id });
    reply.code(204);
  }

  async function onRemoveAll(request: FastifyRequest, reply: FastifyReply) {
    const { count } = await session.deleteMany({ where: { userId: request.user.id } });
    request.audit('session.ended', { sessions: count });
    reply.code(204);
  }
};

export default routes;
