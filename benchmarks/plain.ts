import Fastify, { type FastifyRequest } from 'fastify';
import { digestApiToken } from '../src/api-token-keys.ts';
import { loadConfig } from '../src/config.ts';
import { openDatabase, type TodoFields } from '../src/database/index.ts';

// Two routes of the service as one would write them at first: all by Prisma's own methods, and no more
// looked at than has to be.
const config = loadConfig();
const { prisma } = await openDatabase(config);
const app = Fastify();

app.get('/api/v1/todo/', async (request, reply) => {
  const user = await findUser(request);
  if (!user) return reply.code(401).send({ detail: 'Invalid token.' });
  const where = user.isSuperuser ? {} : { ownerId: user.id };
  const todos = await prisma.todo.findMany({ where, orderBy: { id: 'asc' }, take: 1000 });
  return todos.map(toJson);
});

app.post<{ Body: TodoFields }>('/api/v1/todo/', async (request, reply) => {
  const user = await findUser(request);
  if (!user) return reply.code(401).send({ detail: 'Invalid token.' });
  const { title, body, is_completed: isCompleted } = request.body;
  const dateCreated = request.body.date_created ?? new Date().toISOString().slice(0, 10);
  const todo = await prisma.todo.create({ data: { ownerId: user.id, title, body, isCompleted, dateCreated } });
  return reply.code(201).send(toJson(todo));
});

await app.listen({ host: config.HOST, port: config.PORT });

/** The active user of the request's API token. */
async function findUser({ headers: { authorization = '' } }: FastifyRequest) {
  const digest = digestApiToken(authorization.slice('Token '.length));
  const token = await prisma.apiToken.findUnique({ where: { digest }, include: { user: true } });
  if (!token || (token.expiresAt && token.expiresAt <= new Date())) return undefined;
  return token.user.isActive ? token.user : undefined;
}

function toJson(todo: NonNullable<Awaited<ReturnType<typeof prisma.todo.findUnique>>>) {
  const { id, title, body, isCompleted, dateCreated, updatedAt, ownerId } = todo;
  const lastModified = updatedAt.toISOString().slice(0, 10);
  return {
    id,
    title,
    body,
    is_completed: isCompleted,
    date_created: dateCreated,
    last_modified: lastModified,
    owner: ownerId,
  };
}
