import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createApiToken, type Scope } from '../../../../src/api-tokens.ts';
import { FieldErrors, NotFound } from '../../../../src/errors.ts';
import { readId } from '../../../../src/ids.ts';
import type { Static } from '../../../../src/vendor/typebox.ts';
import * as schemas from './schemas.ts';

const ID = '/:id(^\\d+$)';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { apiToken } = fastify.prisma;

  fastify.addHook('onRequest', fastify.forbidStoring);

  fastify.get('/', { schema: schemas.list }, onList);
  fastify.post('/', { schema: schemas.create }, onCreate);
  fastify.get(ID, { schema: schemas.read }, onRead);
  fastify.delete(ID, { schema: schemas.remove }, onRemove);
  fastify.delete('/current', { schema: schemas.removeCurrent }, onRemoveCurrent);

  async function onList(request: FastifyRequest) {
    const tokens = await apiToken.findMany({ where: { userId: request.user.id }, orderBy: { id: 'asc' } });
    return tokens.map((token) => toWire(token, request));
  }

  async function onCreate(request: FastifyRequest<{ Body: Static<typeof schemas.create.body> }>, reply: FastifyReply) {
    const { name, scopes = null, expires_at = null } = request.body;
    const expiresAt = expires_at === null ? null : new Date(expires_at);
    if (expiresAt && expiresAt.getTime() <= Date.now()) {
      throw new FieldErrors({ expires_at: ['This must be in the future.'] });
    }
    const { key, ...created } = await createApiToken(fastify.prisma, request.user, { name, scopes, expiresAt });
    request.audit('token.created', { tokenId: created.id, scopes });
    reply.code(201).header('location', `/api/v1/tokens/${created.id}/`);
    return { ...toWire(created, request), token: key };
  }

  async function onRead(request: TokenRequest) {
    const found = await apiToken.findUnique({ where: { id: readId(request.params.id), userId: request.user.id } });
    if (!found) throw new NotFound();
    return toWire(found, request);
  }

  async function onRemove(request: TokenRequest, reply: FastifyReply) {
    await remove(readId(request.params.id), request);
    reply.code(204);
  }

  async function onRemoveCurrent(request: FastifyRequest, reply: FastifyReply) {
    const { kind, id } = request.user.credential;
    if (kind !== 'token') throw new NotFound();
    await remove(id, request);
    reply.code(204);
  }

  async function remove(id: number, request: FastifyRequest) {
    const { count } = await apiToken.deleteMany({ where: { id, userId: request.user.id } });
    if (count === 0) throw new NotFound();
    request.audit('token.ended', { tokenId: id });
  }
};

type TokenRequest = FastifyRequest<{ Params: { id: number } }>;

interface StoredToken {
  id: number;
  name: string;
  nonce: string | null;
  scopes: string | null;
  createdAt: Date;
  lastUsedAt: Date | null;
  expiresAt: Date | null;
}

function toWire(token: StoredToken, { user }: FastifyRequest): schemas.ApiToken {
  return {
    id: token.id,
    name: token.name,
    scopes: (token.scopes?.split(' ') as Scope[] | undefined) ?? null,
    expires_at: token.expiresAt?.toISOString() ?? null,
    created_at: token.createdAt.toISOString(),
    last_used_at: token.lastUsedAt?.toISOString() ?? null,
    is_default: token.nonce !== null,
    is_current: user.credential.id === token.id,
  };
}

export default routes;
