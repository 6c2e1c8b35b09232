import { Type } from 'typebox';
import { Day, Flag, Text } from '../../../../src/fields.ts';
import { BODY_TYPES, errors } from '../../../../src/schemas.ts';

const fields = {
  title: Text({ minLength: 1, maxLength: 100, description: 'What is to be done.', examples: ['Buy milk'] }),
  body: Text({ maxLength: 10_000, description: 'More about it.', examples: ['two litres'] }),
  is_completed: Flag({ description: 'Whether it is done.', examples: [false] }),
  date_created: Day({ description: 'The day it was made, YYYY-MM-DD.', examples: ['2026-11-23'] }),
};
const { title, ...optional } = fields;

const Todo = Type.Object(
  {
    id: Type.Integer({ description: 'Grows with each todo and is never used again.', examples: [1] }),
    ...fields,
    last_modified: Type.String({
      format: 'date',
      description: 'The day of the last change, in UTC.',
      examples: ['2026-11-23'],
    }),
    owner: Type.Integer({ description: "The owner's id.", examples: [1] }),
  },
  { description: 'The todo.' },
);

const NewTodo = Type.Object({ title, ...Type.Partial(Type.Object(optional)).properties });
const TodoChange = Type.Partial(Type.Object(fields));

const Id = Type.Object({
  id: Type.String({ pattern: '^[0-9]+$', description: "The todo's id, in digits.", examples: ['1'] }),
});
const Page = Type.Object({
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: 'How many todos at most; 1000 when left out.' }),
  ),
  cursor: Type.Optional(Type.String({ description: 'Where to go on, out of the `Link` header of the page before.' })),
});

const common = { tags: ['Todos'], security: [{ tokenAuth: [] }, { jwtAuth: [] }] };

export const list = {
  ...common,
  operationId: 'listTodos',
  summary: 'List your todos',
  description: 'Oldest first. A superuser sees the todos of all users.',
  querystring: Page,
  response: {
    200: Type.Array(Todo, {
      description: 'The todos.',
      headers: {
        Link: {
          type: 'string',
          description: 'Where there is more, the address of the next page (RFC 8288), `rel="next"`.',
        },
      },
    }),
    ...errors(400, 401, 503),
  },
};

export const create = {
  ...common,
  operationId: 'createTodo',
  summary: 'Create a todo',
  consumes: BODY_TYPES,
  body: NewTodo,
  response: {
    201: Type.Object(Todo.properties, {
      description: 'The new todo.',
      headers: { Location: { type: 'string', description: 'The address of the todo.' } },
    }),
    ...errors(400, 401, 413, 415, 503),
  },
};

export const read = {
  ...common,
  operationId: 'readTodo',
  summary: 'Read a todo',
  params: Id,
  response: { 200: Todo, ...errors(401, 404, 503) },
};

export const replace = {
  ...common,
  operationId: 'replaceTodo',
  summary: 'Replace a todo',
  description:
    'Optional fields that are left out keep their values; but in a form, `is_completed` left out is false, as a box that is not ticked.',
  consumes: BODY_TYPES,
  params: Id,
  body: NewTodo,
  response: { 200: Todo, ...errors(400, 401, 404, 413, 415, 503) },
};

export const change = {
  ...common,
  operationId: 'changeTodo',
  summary: 'Change fields of a todo',
  consumes: BODY_TYPES,
  params: Id,
  body: TodoChange,
  response: { 200: Todo, ...errors(400, 401, 404, 413, 415, 503) },
};

export const remove = {
  ...common,
  operationId: 'deleteTodo',
  summary: 'Delete a todo',
  params: Id,
  response: { 204: Type.Null({ description: 'It is gone.' }), ...errors(401, 404, 413, 503) },
};

/** The same operation at the path that the Django service has for it. */
export function original<Schema extends { operationId: string; summary: string; tags: string[] }>(
  schema: Schema,
): Schema {
  return { ...schema, operationId: `${schema.operationId}AtOriginalPath`, tags: ['Todos, original paths'] };
}
