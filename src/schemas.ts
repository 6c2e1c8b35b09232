import { Type } from 'typebox';

/** Schemas that several routes answer with. Errors are sent as they are; these describe them. */

export const Detail = Type.Object(
  { detail: Type.String({ description: 'What is wrong, in a sentence.' }) },
  { $id: 'Detail', title: 'Detail', examples: [{ detail: 'Not found.' }] },
);

export const FieldErrors = Type.Record(Type.String(), Type.Array(Type.String()), {
  $id: 'FieldErrors',
  title: 'Field errors',
  description: 'Each bad field with its messages; `non_field_errors` holds what concerns no single field.',
  examples: [{ title: ['This field is required.'] }],
});

export const Unauthorized = Type.Object(
  {
    detail: Type.String(),
    code: Type.Optional(Type.String({ description: 'Present where a JWT or its header is refused.' })),
    messages: Type.Optional(
      Type.Array(Type.Object({ token_class: Type.String(), token_type: Type.String(), message: Type.String() })),
    ),
  },
  {
    $id: 'Unauthorized',
    title: 'Unauthorized',
    examples: [{ detail: 'Authentication credentials were not provided.' }],
  },
);

const WWW_AUTHENTICATE = {
  'WWW-Authenticate': { type: 'string', description: 'The schemes that the route accepts.' },
} as const;

const DESCRIPTIONS = {
  400: 'The input is malformed, or fields of it are bad.',
  401: 'Credentials are missing or refused.',
  404: 'There is no such thing, or it is not yours.',
  413: 'The body is larger than 256 KiB.',
  415: 'The body is of a type that is not read.',
  503: 'The service cannot answer now; try again later.',
} as const;

/** The error answers of a route, for its `response` schema. */
export function errors<Status extends keyof typeof DESCRIPTIONS>(...statuses: Status[]) {
  const entries = statuses.map((status) => [status, describe(status)]);
  return Object.fromEntries(entries) as Record<Status, ReturnType<typeof describe>>;
}

function describe(status: keyof typeof DESCRIPTIONS) {
  const description = DESCRIPTIONS[status];
  if (status === 400) return Type.Unsafe({ description, anyOf: [Type.Ref('FieldErrors'), Type.Ref('Detail')] });
  if (status === 401) return Type.Unsafe({ description, headers: WWW_AUTHENTICATE, ...Type.Ref('Unauthorized') });
  return Type.Unsafe({ description, ...Type.Ref('Detail') });
}

/** The types of body that are read. */
export const BODY_TYPES = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'];
