import { MAX_FIELDS } from './bodies/limits.ts';
import * as faults from './errors.ts';
import { type TSchema, Type } from './vendor/typebox.ts';

/** What several routes answer. A schema with a title is a component of that name in the OpenAPI document. */

export const Detail = Type.Object(
  { detail: Type.String({ description: 'What is wrong, in a sentence.' }) },
  { title: 'Detail', description: 'An error that concerns the request as a whole.' },
);

type TitledObject = TSchema & { title?: string; properties: object };

/** The messages for the fields of a schema. */
function fieldErrorsOf({ title, properties }: TitledObject) {
  const messages = (description: string) => Type.Optional(Type.Array(Type.String(), { description }));
  const fields = Object.keys(properties).map((name) => [name, messages(`What is wrong with \`${name}\`.`)]);
  return Type.Object(
    { ...Object.fromEntries(fields), non_field_errors: messages('What is wrong with no single field.') },
    { title: `${title}Errors`, description: 'Each bad field with its messages.' },
  );
}

export const Unauthorized = Type.Object(
  {
    detail: Type.String({ description: 'What is wrong, in a sentence.' }),
    code: Type.Optional(
      Type.Enum(['token_not_valid', 'user_inactive', 'bad_authorization_header'], {
        description: 'Where a JWT or its header is refused.',
      }),
    ),
    messages: Type.Optional(
      Type.Array(
        Type.Object({
          token_class: Type.Literal('AccessToken', { description: 'The one kind there is.' }),
          token_type: Type.Literal('access', { description: 'The one type there is.' }),
          message: Type.String({ description: 'Why the token is refused.' }),
        }),
        { description: 'Where an access token is refused: for which reason.' },
      ),
    ),
  },
  { title: 'Unauthorized', description: 'Credentials that are missing or refused.' },
);

export const Health = Type.Object(
  { status: Type.String({ description: 'Always `ok`.', examples: ['ok'] }) },
  { title: 'Health', description: 'All is well.' },
);

export interface Documentation {
  headers?: Record<string, { type: string; description: string; examples: string[] }> | undefined;
  examples?: Record<string, { summary?: string; value: unknown }>;
  /** the name under which the document shares the whole answer */
  name?: string;
}

/** A schema as the answer of a route, with what the document says of it. */
export function answer<Schema extends TSchema>(
  schema: Schema,
  description: string,
  { headers, examples, name }: Documentation = {},
): Schema {
  return {
    ...schema,
    'x-response-description': description,
    ...(headers && { headers }),
    ...(examples && { 'x-examples': examples }),
    ...(name && { 'x-response-name': name }),
  };
}

/** Errors as the examples of an answer: just what a client gets. */
export function examplesOf(errors: Record<string, faults.WireError>): NonNullable<Documentation['examples']> {
  const examples = Object.entries(errors).map(([name, error]) => [name, { value: wireBody(error) }]);
  return Object.fromEntries(examples);
}

function wireBody({ message, body }: faults.WireError): unknown {
  return body ?? { detail: message };
}

type FieldExamples = Record<string, Record<string, string[]>>;

const noHost = examplesOf({ noHost: new faults.MissingHost() });

/** The answer to bad fields of a schema with a title, for a route that reads no body. */
export function badFields(schema: TitledObject, examples: FieldExamples) {
  return answer(Type.Union([Detail, fieldErrorsOf(schema)]), 'Fields are bad, or the request is malformed.', {
    examples: { ...fieldExamples(examples), ...noHost },
  });
}

/** The answer to a bad body of a schema with a title: of its fields, or of the whole; or to what else the route refuses as malformed. */
export function badBody(schema: TitledObject, examples: FieldExamples, others: Record<string, faults.WireError> = {}) {
  return answer(Type.Union([Detail, fieldErrorsOf(schema)]), 'The body is malformed, or fields of it are bad.', {
    examples: {
      ...fieldExamples(examples),
      ...examplesOf({
        malformed: new faults.JsonParseError('Unexpected end of JSON input'),
        tooComplex: new faults.BodyTooComplex(`${MAX_FIELDS} fields`),
        ...others,
      }),
      ...noHost,
    },
  });
}

function fieldExamples(examples: FieldExamples): NonNullable<Documentation['examples']> {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]));
}

const retryAfter = {
  'Retry-After': { type: 'string', description: 'After how many seconds to try again.', examples: ['1'] },
};

/** The header of a 401 (RFC 9110, 11.6.1). */
export function challenge(value: string): NonNullable<Documentation['headers']> {
  return {
    'WWW-Authenticate': { type: 'string', description: 'The schemes that the route accepts.', examples: [value] },
  };
}

const ERRORS = {
  400: answer(Detail, 'The request is malformed.', { name: 'BadRequest', examples: noHost }),
  401: answer(Unauthorized, 'Credentials are missing or refused.', {
    name: 'Unauthorized',
    headers: challenge('Token, Bearer realm="api"'),
    examples: examplesOf({
      missing: new faults.NotAuthenticated(),
      badToken: new faults.InvalidToken(),
      inactiveUser: new faults.TokenUserInactive(),
      badJwt: new faults.AccessTokenRefused(new faults.JwtInvalid().message),
      badBearerHeader: new faults.BadBearerHeader(),
    }),
  }),
  403: answer(
    Detail,
    'The credentials do not reach this far: the token lacks the scope, or may not come here at all.',
    {
      name: 'Forbidden',
      examples: examplesOf({ forbidden: new faults.PermissionDenied() }),
    },
  ),
  404: answer(Detail, 'There is no such thing, or it is not yours.', {
    name: 'NotFound',
    examples: examplesOf({ notFound: new faults.NotFound() }),
  }),
  409: answer(Detail, 'Another request of the same `Idempotency-Key` is not answered yet; try again later.', {
    name: 'IdempotencyKeyInUse',
    headers: retryAfter,
    examples: examplesOf({ inUse: new faults.IdempotencyKeyInUse() }),
  }),
  412: answer(Detail, 'What is there is not as `If-Match` or `If-None-Match` expects it; nothing was done.', {
    name: 'PreconditionFailed',
    examples: examplesOf({ changed: new faults.PreconditionFailed() }),
  }),
  413: answer(Detail, 'The body is larger than 256 KiB.', {
    name: 'BodyTooLarge',
    examples: examplesOf({ tooLarge: new faults.BodyTooLarge() }),
  }),
  415: answer(Detail, 'The body is of a type that is not read.', {
    name: 'UnsupportedMediaType',
    examples: examplesOf({ plainText: new faults.UnsupportedMediaType('text/plain; charset=utf-8') }),
  }),
  422: answer(Detail, 'The `Idempotency-Key` was used for a request that asked something else.', {
    name: 'IdempotencyKeyReused',
    examples: examplesOf({ reused: new faults.IdempotencyKeyReused() }),
  }),
  429: answer(Detail, 'Too many attempts; try again when the seconds are over.', {
    name: 'Throttled',
    headers: retryAfter,
    examples: examplesOf({ throttled: new faults.Throttled(873) }),
  }),
  431: answer(Detail, "The request's headers are larger than 16 KiB.", {
    name: 'HeadersTooLarge',
    examples: examplesOf({ tooLarge: new Error('Request headers are too large.') }),
  }),
  500: answer(Detail, 'A fault of the service.', {
    name: 'ServerError',
    examples: examplesOf({ fault: new Error('A server error occurred.') }),
  }),
  503: answer(Detail, 'The service cannot answer now; try again later.', {
    name: 'Unavailable',
    headers: retryAfter,
    examples: examplesOf({ unavailable: new faults.Unavailable() }),
  }),
} as const;

/** The error answers of a route that are the same for all, for its `response` schema. */
export function errors<Status extends keyof typeof ERRORS>(...statuses: Status[]): Pick<typeof ERRORS, Status> {
  return Object.fromEntries(statuses.map((status) => [status, ERRORS[status]])) as Pick<typeof ERRORS, Status>;
}

/** The types of body that are read. */
export const BODY_TYPES = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'];
