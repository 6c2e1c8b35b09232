import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { pageLinks, readCursor, readOrdering } from '../../../../src/cursors.ts';
import type { ListQuery, TodoRow } from '../../../../src/database/index.ts';
import { NotFound, PreconditionFailed } from '../../../../src/errors.ts';
import { etagOf, isAny, isExpected, isKnown } from '../../../../src/etags.ts';
import { answerOnce } from '../../../../src/idempotency.ts';
import { readId } from '../../../../src/ids.ts';
import type { Static } from '../../../../src/vendor/typebox.ts';
import * as schemas from './schemas.ts';

const READ = { scope: 'todo:read' } as const;
const WRITE = { scope: 'todo:write' } as const;

const ID = '/:id(^\\d+$)';

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { page, read, add, addOnce, change, remove } = fastify.prisma.todo;

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

  async function onList(request: FastifyRequest<{ Querystring: ListParameters }>, reply: FastifyReply) {
    const found = await page(request.user, readList(request.query));
    const links = pageLinks(originOf(request), request.url, request.query.ordering ?? 'id', found);
    if (links) reply.header('link', links);
    reply.header('etag', found.etag);
    if (isKnown(request.headers, found.etag)) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(found.json);
  }

  async function onCreate({ user, body: given, headers }: CreateRequest, reply: FastifyReply) {
    const { title, body = '', is_completed = false, date_created = today() } = given;
    const fields = { title, body, is_completed, date_created };
    const key = headers['idempotency-key'];
    if (key === undefined) {
      const created = await add(user.id, fields);
      reply.code(201).headers({ location: addressOf(created), etag: etagOfTodo(created) });
      return created;
    }
    // With a day that is left out, lest a retry after midnight be another request.
    const asked = { ...fields, date_created: given.date_created };
    const { answer, isReplay } = await answerOnce(key, 'createTodo', asked, (request) =>
      addOnce(user.id, fields, request),
    );
    if (isReplay) reply.header('idempotent-replayed', 'true');
    reply.code(201).headers({ location: addressOf(JSON.parse(answer)), etag: etagOf(answer) });
    return reply.type('application/json; charset=utf-8').send(answer);
  }

  async function onRead(request: TodoRequest, reply: FastifyReply) {
    const found = await read(request.user, readId(request.params.id));
    if (!found) throw new NotFound();
    const etag = etagOfTodo(found);
    reply.header('etag', etag);
    return isKnown(request.headers, etag) ? reply.code(304).send() : found;
  }

  /** PUT and PATCH differ in what their schemas require. */
  async function onChange(
    request: TodoRequest & FastifyRequest<{ Body: Static<typeof schemas.change.body> }>,
    reply: FastifyReply,
  ) {
    const id = readId(request.params.id);
    if (request.validationError) {
      // An unknown id is told before bad fields are.
      if (!(await read(request.user, id))) throw new NotFound();
      throw request.validationError;
    }
    const expected = await readExpected(request);
    const changed = await change(request.user, id, request.body, expected);
    if (!changed) throw expected ? new PreconditionFailed() : new NotFound();
    reply.header('etag', etagOfTodo(changed));
    return changed;
  }

  async function onRemove(request: TodoRequest, reply: FastifyReply) {
    const expected = await readExpected(request);
    const isRemoved = await remove(request.user, readId(request.params.id), expected);
    if (!isRemoved) throw expected ? new PreconditionFailed() : new NotFound();
    reply.code(204);
  }

  /** The todo as it is now, where the client expects it to be just so; the change itself looks again. */
  async function readExpected({ user, params, headers }: TodoRequest): Promise<TodoRow | undefined> {
    const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers;
    if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
    const found = await read(user, readId(params.id));
    if (!found) throw new NotFound();
    if (!isExpected(headers, etagOfTodo(found))) throw new PreconditionFailed();
    return ifMatch === undefined || isAny(ifMatch) ? undefined : found;
  }
};

type ListParameters = Static<typeof schemas.list.querystring>;

function readList({ limit = 1000, cursor, ordering = 'id', search, ...filters }: ListParameters): ListQuery {
  const { order, isDescending } = readOrdering(ordering);
  const { after, before } = readCursor(cursor, ordering);
  const words = search?.split(/\s+/).filter(Boolean);
  const isFiltered = words?.length || Object.keys(filters).length > 0;
  const filter = isFiltered
    ? {
        isCompleted: filters.is_completed,
        createdAfter: filters.created_after,
        createdBefore: filters.created_before,
        modifiedSince: filters.modified_since?.replace('Z', '+00:00'),
        words,
      }
    : undefined;
  return { order, isDescending, after, before, limit, filter };
}

type TodoRequest = FastifyRequest<{ Params: { id: number } }>;
type CreateRequest = FastifyRequest<{
  Body: Static<typeof schemas.create.body>;
  Headers: { 'idempotency-key'?: string };
}>;

function addressOf({ id }: { id: number }): string {
  return `/api/v1/todo/${id}/`;
}

/** The service's address as the client has it; empty where its Host header, or what a proxy says, is none. */
function originOf({ protocol, host }: FastifyRequest): string {
  return /^https?$/.test(protocol) && HOST.test(host) && URL.canParse(`${protocol}://${host}`)
    ? `${protocol}://${host}`
    : '';
}

const HOST = /^([a-z0-9._-]+|\[[a-f0-9:.]+\])(:\d+)?$/i;

function etagOfTodo(todo: TodoRow): string {
  return etagOf(JSON.stringify(todo));
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

export default routes;
