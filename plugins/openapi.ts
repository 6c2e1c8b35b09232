import { isDeepStrictEqual } from 'node:util';
import fp from 'fastify-plugin';
import { MAX_FIELDS, MAX_LEVELS, MAX_PARTS } from '../src/bodies/limits.ts';
import { version } from '../src/package.ts';
import { errors } from '../src/schemas.ts';
import swagger from '../src/vendor/swagger.ts';
import type { TObject } from '../src/vendor/typebox.ts';

declare module 'fastify' {
  interface FastifySchema {
    /** Request headers for the document alone; the route itself reads them. */
    'x-headers'?: TObject;
  }
}

/** The OpenAPI document, made of the schemas that validate and serialise; served at /openapi.json and /docs/. */
export default fp(
  async (fastify) => {
    await fastify.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'todo-api',
          version,
          summary: 'Todos over JSON, secured by API tokens and JWT pairs.',
          description: DESCRIPTION,
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: '/', description: 'This service.' }],
        tags: [
          {
            name: 'Tokens',
            description: 'Opaque API tokens: one by password, and further ones with scopes and an end.',
          },
          { name: 'JWT', description: 'Access and refresh tokens of a session.' },
          { name: 'Sessions', description: 'Your JWT logins, wherever they were made.' },
          { name: 'Accounts', description: 'Your user, its password and its end.' },
          { name: 'Todos', description: 'Your todos; a superuser has those of all users.' },
          { name: 'Todos, original paths', description: 'The same operations where the Django service has them.' },
          { name: 'Health', description: 'For balancers and supervisors.' },
        ],
        components: {
          headers: {
            'X-Request-Id': {
              schema: { type: 'string', format: 'uuid' },
              description: 'The id of the request, under which the log has it.',
              example: '1f0c1f5e-6f0b-4d0e-9a43-2f6a7f1f3c55',
            },
          },
          securitySchemes: {
            tokenAuth: {
              type: 'apiKey',
              in: 'header',
              name: 'Authorization',
              description: 'An API token, sent as `Token <key>`: the word, a space, the key.',
            },
            jwtAuth: {
              type: 'http',
              scheme: 'bearer',
              bearerFormat: 'JWT',
              description: 'The access token of a JWT pair, alone; it is sent as `Bearer <access>`.',
            },
          },
        },
      },
      // Every path answers with and without its trailing slash; the document has it without.
      transform: ({ schema: { 'x-headers': headers, ...schema } = {}, url }) => ({
        schema: {
          ...schema,
          ...(headers && { headers }),
          response: { ...errors(400), ...(schema.response as object), ...errors(431, 500) },
        },
        url: url.replace(/(?<=.)\/$/, ''),
      }),
      transformObject: (document) => ('openapiObject' in document ? finish(document.openapiObject as Document) : {}),
    });
  },
  { name: 'openapi' },
);

const DESCRIPTION = `For clients of a Django REST Framework service and any other.

- **Credentials.** Send \`Authorization: Token <key>\` (from \`POST /api/token\`) or
  \`Authorization: Bearer <access JWT>\` (from \`POST /api/jwt/token\`): the same routes accept both.
- **Paths** answer with and without a trailing slash.
- **Bodies** are read as JSON, URL-encoded or multipart forms; an empty one counts as \`{}\`, and fields
  that no schema names are ignored. A body has at most 256 KiB, ${MAX_FIELDS} fields and items of lists, ${MAX_LEVELS}
  levels and ${MAX_PARTS} parts; more is 413 or 400.
- **Methods** that a path does not have are answered with 405, \`OPTIONS\` with 200, both with the header
  \`Allow\`, which lists those it has. \`HEAD\` answers as \`GET\` does, without a body.
- **Every answer** has the id of its request as the header \`X-Request-Id\`; quote it when you report a fault.`;

type Json = Record<string, unknown>;
interface Answer {
  headers?: Json;
  content?: Record<string, { schema: Json }>;
}
interface Document {
  paths: Record<string, Record<string, { responses: Record<string, Answer> }>>;
  components: Json;
}
type Share = (kind: 'schemas' | 'responses', name: string, value: Json) => Json;

/** Gives what recurs in the document its name under `components`, and every answer the header that all have. */
function finish({ paths, components, ...document }: Document): Json {
  const shared: { schemas: Json; responses: Json } = { schemas: {}, responses: {} };
  const share: Share = (kind, name, value) => {
    shared[kind][name] ??= value;
    if (!isDeepStrictEqual(shared[kind][name], value))
      throw new Error(`Two ${kind} of the routes are both named ${name}.`);
    return { $ref: `#/components/${kind}/${name}` };
  };
  for (const { responses } of Object.values(paths).flatMap((path) => Object.values(path))) {
    for (const [status, answer] of Object.entries(responses)) {
      answer.headers = { 'X-Request-Id': { $ref: '#/components/headers/X-Request-Id' }, ...answer.headers };
      const schema = answer.content?.['application/json']?.schema;
      const { 'x-response-name': name } = schema ?? {};
      delete schema?.['x-response-name'];
      if (typeof name === 'string') responses[status] = share('responses', name, answer as Json);
    }
  }
  const named = shareSchemas({ paths, responses: shared.responses }, share) as Json;
  const { schemas } = shared;
  return { ...document, paths: named.paths, components: { ...components, schemas, responses: named.responses } };
}

/** A copy of a part of the document in which each schema that has a title is a reference. */
function shareSchemas(part: unknown, share: Share): unknown {
  if (Array.isArray(part)) return part.map((item) => shareSchemas(item, share));
  if (typeof part !== 'object' || part === null) return part;
  const copy: Json = {};
  for (const [key, value] of Object.entries(part)) {
    copy[key] = EXAMPLES.includes(key) ? value : shareSchemas(value, share);
  }
  return typeof copy.title === 'string' ? share('schemas', copy.title, copy) : copy;
}

const EXAMPLES = ['example', 'examples', 'default'];
