import { ORDERINGS } from '../../../../src/cursors.ts';
import { BadIdempotencyKey } from '../../../../src/errors.ts';
import { Choice, Day, Flag, RowId, Since, Text } from '../../../../src/fields.ts';
import { answer, BODY_TYPES, badBody, badFields, type Documentation, errors } from '../../../../src/schemas.ts';
import { Type } from '../../../../src/vendor/typebox.ts';

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

const Id = Type.Object({ id: RowId({ description: "The todo's id.", examples: [1] }) });
// Without examples, since those are what /docs/ would ask for.
const Parameters = Type.Partial(
  Type.Object({
    is_completed: Flag({ description: 'Those that are done, or those that are not.' }),
    search: Text({
      maxLength: 200,
      description: 'Words that all occur in title or body, anywhere in them and in any case.',
    }),
    created_after: Day({ description: 'Those whose `date_created` is this day or later.' }),
    created_before: Day({
      description: 'Those whose `date_created` is this day or earlier.',
    }),
    modified_since: Since({
      description:
        'Those that were changed at this moment or later; ISO 8601, in UTC where no offset is given. A day is its beginning.',
    }),
    ordering: Choice(ORDERINGS, {
      default: 'id',
      description:
        'By what the list is sorted, with a minus from the other end; what is equal, by `id`. Titles by their code points.',
    }),
    limit: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 1000,
      description:
        'How many todos at most. Fewer come where they are long, or where a filter passes few of the next 5000; the `Link` header tells whether there are more.',
    }),
    cursor: Type.String({
      description:
        'Where to go on, out of the `Link` header of another page. It stays right while todos come and go, and holds for its `ordering`.',
    }),
  }),
  { title: 'TodoList' },
);

const ETag = {
  type: 'string',
  description: 'A strong tag of this state (RFC 9110), for `If-None-Match` and `If-Match`.',
  examples: ['"pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4"'],
};
const whenRead = Type.Object({
  'If-Match': Type.Optional(
    Type.String({ description: 'The `ETag` of what you want; where it is another now, the answer is 412.' }),
  ),
  'If-None-Match': Type.Optional(
    Type.String({
      description: 'The `ETag` of what you have; where it is still so, the answer is 304 without a body.',
    }),
  ),
});
const whenChanged = Type.Object({
  'If-Match': Type.Optional(
    Type.String({
      description: 'The `ETag` of the todo as you know it; where it is another now, nothing is done: 412. `*` is any.',
    }),
  ),
  'If-None-Match': Type.Optional(
    Type.String({ description: 'An `ETag` that the todo must not have; where it has, nothing is done: 412.' }),
  ),
});
const Link = {
  type: 'string',
  description:
    'The addresses of the pages beside this one, `rel="next"` and `rel="prev"` (RFC 8288), where there are such.',
  examples: ['<https://todo.example.com/api/v1/todo/?cursor=WyJpZCIsImFmdGVyIiwxMDAwXQ>; rel="next"'],
};
const notModified = (headers: Documentation['headers']) => ({
  304: answer(Type.Null(), 'You have it as it is, by your `If-None-Match`.', { headers }),
});

const badTodo = {
  missing: { title: ['This field is required.'] },
  several: {
    title: ['This field may not be blank.'],
    is_completed: ['Must be a valid boolean.'],
    date_created: ['Date has wrong format. Use one of these formats instead: YYYY-MM-DD.'],
  },
};

const common = { tags: ['Todos'], security: [{ tokenAuth: [] }, { jwtAuth: [] }] };

export const list = {
  ...common,
  operationId: 'listTodos',
  summary: 'List your todos',
  description:
    'Oldest first, or by `ordering`. What filters are given must all hold. A superuser sees the todos of all users.',
  querystring: Parameters,
  'x-headers': whenRead,
  response: {
    200: answer(Type.Array(Todo), 'The todos.', {
      headers: { Link, ETag },
      examples: { todos: { value: [todo] } },
    }),
    400: badFields(Parameters, {
      limit: { limit: ['Ensure this value is less than or equal to 1000.'] },
      ordering: { ordering: ['"owner" is not a valid choice.'] },
      cursor: { cursor: ['Invalid cursor.'] },
    }),
    ...notModified({ Link, ETag }),
    ...errors(401, 403, 412, 503),
  },
};

const KEY = `Makes the request safe to send again, as draft-ietf-httpapi-idempotency-key-header has it: for 24 hours
the key gives the first answer again, byte for byte, and makes no second todo, whatever became of the first.

- A key is a string of 1 to 255 printable ASCII characters, best a new UUID for each todo. It stands in quotation
  marks, or without where it holds no space, comma, quotation mark or backslash; else the answer is 400.
- It is yours alone: the same key of another user is another one.
- With other fields it is answered 422, and 409 while the first request is under way. The path, the type of the
  body and white space around text make no other request.
- What was refused, or failed, is not kept: send it again by the same key, mended where it was at fault.`;

const IdempotencyKey = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      description: KEY,
      examples: ['"8e03978e-40d5-43e8-bc93-6894a57f9324"'],
    }),
  ),
});

export const create = {
  ...common,
  operationId: 'createTodo',
  summary: 'Create a todo',
  description: 'It is yours, whoever you are.',
  consumes: BODY_TYPES,
  'x-headers': IdempotencyKey,
  body: NewTodo,
  response: {
    201: answer(Todo, 'The new todo.', {
      headers: {
        Location: { type: 'string', description: 'The address of the todo.', examples: ['/api/v1/todo/1/'] },
        'Idempotent-Replayed': {
          type: 'string',
          description: 'Always `true`, and only where this is the answer to a former request of the `Idempotency-Key`.',
          examples: ['true'],
        },
        ETag,
      },
      examples: one,
    }),
    400: badBody(NewTodo, badTodo, { badKey: new BadIdempotencyKey() }),
    ...errors(401, 403, 409, 413, 415, 422, 503),
  },
};

export const read = {
  ...common,
  operationId: 'readTodo',
  summary: 'Read a todo',
  description: "Another user's todo is as one that does not exist.",
  params: Id,
  'x-headers': whenRead,
  response: {
    200: answer(Todo, 'The todo.', { headers: { ETag }, examples: one }),
    ...notModified({ ETag }),
    ...errors(401, 403, 404, 412, 503),
  },
};

export const replace = {
  ...common,
  operationId: 'replaceTodo',
  summary: 'Replace a todo',
  description:
    'Optional fields that are left out keep their values; but in a form, `is_completed` left out is false, as a box that is not ticked.',
  consumes: BODY_TYPES,
  params: Id,
  'x-headers': whenChanged,
  body: NewTodo,
  response: {
    200: answer(Todo, 'The todo as it is now.', { headers: { ETag }, examples: one }),
    400: badBody(NewTodo, badTodo),
    ...errors(401, 403, 404, 412, 413, 415, 503),
  },
};

export const change = {
  ...common,
  operationId: 'changeTodo',
  summary: 'Change fields of a todo',
  description: 'Changes what is given, all of it or, where one field is bad, nothing.',
  consumes: BODY_TYPES,
  params: Id,
  'x-headers': whenChanged,
  body: TodoChange,
  response: {
    200: answer(Todo, 'The todo as it is now.', {
      headers: { ETag },
      examples: { done: { value: { ...todo, is_completed: true } } },
    }),
    400: badBody(TodoChange, { bad: { is_completed: ['Must be a valid boolean.'] } }),
    ...errors(401, 403, 404, 412, 413, 415, 503),
  },
};

export const remove = {
  ...common,
  operationId: 'deleteTodo',
  summary: 'Delete a todo',
  description: 'For good.',
  params: Id,
  'x-headers': whenChanged,
  response: { 204: Type.Null({ description: 'It is gone.' }), ...errors(401, 403, 404, 412, 413, 503) },
};

/** The same operation at the path that the Django service has for it. */
export function original<Schema extends { operationId: string; summary: string; tags: string[] }>(
  schema: Schema,
): Schema {
  return { ...schema, operationId: `${schema.operationId}AtOriginalPath`, tags: ['Todos, original paths'] };
}
