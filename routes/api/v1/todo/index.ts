import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { nextLink, readCursor } from '../../../../src/cursors.ts';
import { NotFound } from '../../../../src/errors.ts';
import { readId } from '../../../../src/ids.ts';
import type { Static } from '../../../../src/typebox.ts';
import * as schemas from './schemas.ts';

const READ = { scope: 'todo:read' } as const;
const WRITE = { scope: 'todo:write' } as const;

const ID = '/:id(^\\d+$)';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { page, read, add, change, remove } = fastify.prisma.todo;

  fastify.get('/', { schema: schemas.list, config: READ }, onList);
  fastify.post('/', { schema: schemas.create, config: WRITE }, onCreate);
  fastify.get(ID, { schema: schemas.read, config: READ }, onRead);
  fastify.put(ID, { schema: schemas.replace, config: WRITE, attachValidation: true }, onChange);
  fastify.patch(ID, { schema: schemas.change, config: WRITE, attachValidation: true }, onChange);
  fastify.delete(ID, { schema: schemas.remove, config: WRITE }, onRemove);

  fastify.post('/create', { schema: schemas.original(schemas.create), config: WRITE }, onCreate);
  fastify.put(
    `/update${ID}`,
    { schema: schemas.original(schemas.replace), config: WRITE, attachValidation: true },
    onChange,
  );
  fastify.patch(
    `/update${ID}`,
    { schema: schemas.original(schemas.change), config: WRITE, attachValidation: true },
    onChange,
  );
  fastify.delete(`/delete${ID}`, { schema: schemas.original(schemas.remove), config: WRITE }, onRemove);

  async function onList(
    request: FastifyRequest<{ Querystring: Static<typeof schemas.list.querystring> }>,
    reply: FastifyReply,
  ) {
    const { limit = 1000, cursor } = request.query;
    const { json, next } = await page(request.user, readCursor(cursor), limit);
    if (next !== undefined) reply.header('link', nextLink(originOf(request), request.url, next));
    return reply.type('application/json; charset=utf-8').send(json);
  }

  async function onCreate(request: FastifyRequest<{ Body: Static<typeof schemas.create.body> }>, reply: FastifyReply) {
    const { title, body = '', is_completed = false, date_created = today() } = request.body;
    const created = await add(request.user.id, { title, body, is_completed, date_created });
    reply.code(201).header('location', `/api/v1/todo/${created.id}/`);
    return created;
  }

  async function onRead(request: TodoRequest) {
    const found = await read(request.user, readId(request.params.id));
    if (!found) throw new NotFound();
    return found;
  }

  /** PUT and PATCH differ in what their schemas require. */
  async function onChange(request: TodoRequest & FastifyRequest<{ Body: Static<typeof schemas.change.body> }>) {
    if (request.validationError) {
      // An unknown id is told before bad fields are.
      await onRead(request);
      throw request.validationError;
    }
    const changed = await change(request.user, readId(request.params.id), request.body);
    if (!changed) throw new NotFound();
    return changed;
  }

  async function onRemove(request: TodoRequest, reply: FastifyReply) {
    if (!(await remove(request.user, readId(request.params.id)))) throw new NotFound();
    reply.code(204);
  }
};

type TodoRequest = FastifyRequest<{ Params: { id: string } }>;

/** The service's address as the client has it; empty where its Host header, or what a proxy says, is none. */
function originOf({ protocol, host }: FastifyRequest): string {
  return /^https?$/.test(protocol) && HOST.test(host) && URL.canParse(`${protocol}://${host}`)
    ? `${protocol}://${host}`
    : '';
}

const HOST = /^([a-z0-9._-]+|\[[a-f0-9:.]+\])(:\d+)?$/i;

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

export default routes;
