import { Day, Flag, Text } from '../../../../src/fields.ts';
import { answer, BODY_TYPES, badBody, badFields, errors } from '../../../../src/schemas.ts';
import { Type } from '../../../../src/typebox.ts';

const fields = {
  title: Text({
    minLength: 1,
    maxLength: 100,
    description: 'What is to be done; white space around it is cut off.',
    examples: ['Buy milk'],
  }),
  body: Text({
    maxLength: 10_000,
    description: 'More about it; white space around it is cut off.',
    examples: ['two litres'],
  }),
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
  { title: 'Todo' },
);

const given = { title: 'Buy milk', body: 'two litres', is_completed: false, date_created: '2026-11-23' };
const todo = { id: 1, ...given, last_modified: '2026-11-23', owner: 1 };
const one = { todo: { value: todo } };

const NewTodo = Type.Object(
  { title, ...Type.Partial(Type.Object(optional)).properties },
  {
    title: 'NewTodo',
    description: 'Of a new todo, `body` is empty, `is_completed` false and `date_created` today (UTC) where left out.',
    'x-examples': {
      full: { summary: 'All fields', value: given },
      short: { summary: 'Only what is required', value: { title: given.title } },
    },
  },
);
const TodoChange = Type.Partial(Type.Object(fields), {
  title: 'TodoChange',
  description: 'What is left out stays as it is.',
  'x-examples': { done: { summary: 'It is done', value: { is_completed: true } } },
});

const Id = Type.Object({
  id: Type.String({ pattern: '^[0-9]+$', description: "The todo's id, in digits.", examples: ['1'] }),
});
const Page = Type.Object({
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 1000,
      description: 'How many todos at most; fewer come where they are long, with a `Link` to go on.',
    }),
  ),
  cursor: Type.Optional(Type.String({ description: 'Where to go on, out of the `Link` header of the page before.' })),
});

const badTodo = badBody({
  missing: { title: ['This field is required.'] },
  several: {
    title: ['This field may not be blank.'],
    is_completed: ['Must be a valid boolean.'],
    date_created: ['Date has wrong format. Use one of these formats instead: YYYY-MM-DD.'],
  },
});

const common = { tags: ['Todos'], security: [{ tokenAuth: [] }, { jwtAuth: [] }] };

export const list = {
  ...common,
  operationId: 'listTodos',
  summary: 'List your todos',
  description: 'Oldest first. A superuser sees the todos of all users.',
  querystring: Page,
  response: {
    200: answer(Type.Array(Todo), 'The todos.', {
      headers: {
        Link: {
          type: 'string',
          description: 'Where there is more, the address of the next page (RFC 8288), `rel="next"`.',
          examples: ['<https://todo.example.com/api/v1/todo/?cursor=YWZ0ZXI6MTAwMA>; rel="next"'],
        },
      },
      examples: { todos: { value: [todo] } },
    }),
    400: badFields({
      limit: { limit: ['Ensure this value is less than or equal to 1000.'] },
      cursor: { cursor: ['Invalid cursor.'] },
    }),
    ...errors(401, 403, 503),
  },
};

export const create = {
  ...common,
  operationId: 'createTodo',
  summary: 'Create a todo',
  description: 'It is yours, whoever you are.',
  consumes: BODY_TYPES,
  body: NewTodo,
  response: {
    201: answer(Todo, 'The new todo.', {
      headers: { Location: { type: 'string', description: 'The address of the todo.', examples: ['/api/v1/todo/1/'] } },
      examples: one,
    }),
    400: badTodo,
    ...errors(401, 403, 413, 415, 503),
  },
};

export const read = {
  ...common,
  operationId: 'readTodo',
  summary: 'Read a todo',
  description: "Another user's todo is as one that does not exist.",
  params: Id,
  response: { 200: answer(Todo, 'The todo.', { examples: one }), ...errors(401, 403, 404, 503) },
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
  response: {
    200: answer(Todo, 'The todo as it is now.', { examples: one }),
    400: badTodo,
    ...errors(401, 403, 404, 413, 415, 503),
  },
};

export const change = {
  ...common,
  operationId: 'changeTodo',
  summary: 'Change fields of a todo',
  description: 'Changes what is given, all of it or, where one field is bad, nothing.',
  consumes: BODY_TYPES,
  params: Id,
  body: TodoChange,
  response: {
    200: answer(Todo, 'The todo as it is now.', { examples: { done: { value: { ...todo, is_completed: true } } } }),
    400: badBody({ bad: { is_completed: ['Must be a valid boolean.'] } }),
    ...errors(401, 403, 404, 413, 415, 503),
  },
};

export const remove = {
  ...common,
  operationId: 'deleteTodo',
  summary: 'Delete a todo',
  description: 'For good.',
  params: Id,
  response: { 204: Type.Null({ description: 'It is gone.' }), ...errors(401, 403, 404, 413, 503) },
};

/** The same operation at the path that the Django service has for it. */
export function original<Schema extends { operationId: string; summary: string; tags: string[] }>(
  schema: Schema,
): Schema {
  return { ...schema, operationId: `${schema.operationId}AtOriginalPath`, tags: ['Todos, original paths'] };
}
