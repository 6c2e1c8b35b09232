import { SCOPES } from '../../../../src/api-tokens.ts';
import { Instant, RowId, Text, Words } from '../../../../src/fields.ts';
import { answer, BODY_TYPES, badBody, errors } from '../../../../src/schemas.ts';
import { type Static, Type } from '../../../../src/vendor/typebox.ts';

const KEY = '1b0f5c2a9e7d4486b3a1c0d2e4f60718293a4b5c';

const given = {
  name: Text({ minLength: 1, maxLength: 100, description: 'What it is for, in your words.', examples: ['backup'] }),
  scopes: Words(SCOPES, {
    description:
      'What it may do, as a list or as text with spaces between: `…:read` to read, `…:write` to create, change and delete. Null: all that you may.',
    examples: [['todo:read'], null],
  }),
  expires_at: Instant({
    description: 'When it ends by itself, and is deleted; in UTC where no offset is given. Null: never.',
    examples: ['2027-11-23T12:00:00.000Z', null],
  }),
};

const ApiToken = Type.Object(
  {
    id: Type.Integer({ description: 'For its address.', examples: [7] }),
    ...given,
    created_at: Type.String({ format: 'date-time', description: 'When it was made.' }),
    last_used_at: Instant({ description: 'When it was last used, within five minutes. Null: never.' }),
    is_default: Type.Boolean({ description: 'Whether it is the one that `POST /api/token` answers.' }),
    is_current: Type.Boolean({ description: 'Whether it is the one that this request was made with.' }),
  },
  { title: 'ApiToken', description: 'An API token without its key, which is kept nowhere.' },
);
export type ApiToken = Static<typeof ApiToken>;

const CreatedApiToken = Type.Object(
  {
    ...ApiToken.properties,
    token: Type.String({
      pattern: '^[0-9a-f]{40}$',
      description: 'The key, for `Authorization: Token <token>`. It is shown this once.',
      examples: [KEY],
    }),
  },
  { title: 'CreatedApiToken' },
);

const { name, ...optional } = given;
const NewApiToken = Type.Object(
  { name, ...Type.Partial(Type.Object(optional)).properties },
  {
    title: 'NewApiToken',
    'x-examples': {
      reader: {
        summary: 'Reads todos, for a year',
        value: { name: 'backup', scopes: ['todo:read'], expires_at: '2027-11-23T12:00:00Z' },
      },
      full: { summary: 'All that you may, until you delete it', value: { name: 'laptop' } },
    },
  },
);

const token = {
  id: 7,
  name: 'backup',
  scopes: ['todo:read'],
  expires_at: '2027-11-23T12:00:00.000Z',
  created_at: '2026-11-23T12:00:00.000Z',
  last_used_at: null,
  is_default: false,
  is_current: false,
};

const Id = Type.Object({ id: RowId({ description: "The token's id.", examples: [7] }) });

const common = { tags: ['Tokens'], security: [{ tokenAuth: [] }, { jwtAuth: [] }] };

export const list = {
  ...common,
  operationId: 'listTokens',
  summary: 'List your API tokens',
  description: 'Oldest first, without their keys; yours alone, for a superuser too.',
  response: {
    200: answer(Type.Array(ApiToken), 'The tokens.', { examples: { tokens: { value: [token] } } }),
    ...errors(401, 403, 503),
  },
};

export const create = {
  ...common,
  operationId: 'createToken',
  summary: 'Create an API token',
  description:
    'Of at most 50 a user beside the default one. A token with scopes reaches only what they name; one that is made with a token ends no later than that.',
  consumes: BODY_TYPES,
  body: NewApiToken,
  response: {
    201: answer(CreatedApiToken, 'The new token, with its key.', {
      headers: {
        Location: { type: 'string', description: 'The address of the token.', examples: ['/api/v1/tokens/7/'] },
      },
      examples: { token: { value: { ...token, token: KEY } } },
    }),
    400: badBody(NewApiToken, {
      missing: { name: ['This field is required.'] },
      unknownScope: { scopes: ['"todo" is not a valid choice.'] },
      past: { expires_at: ['This must be in the future.'] },
      late: { expires_at: ['This must not be later than the end of the token of this request.'] },
      tooMany: { non_field_errors: ['You have 50 tokens already. Delete one first.'] },
    }),
    ...errors(401, 403, 413, 415, 503),
  },
};

export const read = {
  ...common,
  operationId: 'readToken',
  summary: 'Read an API token',
  description: 'Without its key.',
  params: Id,
  response: {
    200: answer(ApiToken, 'The token.', { examples: { token: { value: token } } }),
    ...errors(401, 403, 404, 503),
  },
};

export const remove = {
  ...common,
  operationId: 'deleteToken',
  summary: 'End an API token',
  description: 'From the next request on. Where it was the default one, `POST /api/token` makes another.',
  params: Id,
  response: { 204: Type.Null({ description: 'It is over.' }), ...errors(401, 403, 404, 413, 503) },
};

export const removeCurrent = {
  ...common,
  operationId: 'deleteCurrentToken',
  summary: 'End the API token of this request',
  description: 'The one in its `Authorization` header; there is none where that is a JWT.',
  response: remove.response,
};
