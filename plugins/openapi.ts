import swagger from '@fastify/swagger';
import fp from 'fastify-plugin';
import { version } from '../src/package.ts';
import { Detail, FieldErrors, Unauthorized } from '../src/schemas.ts';

/** The OpenAPI document, made of the schemas that validate and serialise; served at /openapi.json and /docs/. */
export default fp(
  async (fastify) => {
    for (const schema of [Detail, FieldErrors, Unauthorized]) fastify.addSchema(schema);
    await fastify.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'todo-api',
          version,
          description: DESCRIPTION,
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: '/', description: 'This service.' }],
        tags: [
          { name: 'Tokens', description: 'Opaque API tokens: obtained once, good until they are renewed.' },
          { name: 'JWT', description: 'Access and refresh tokens of a session.' },
          { name: 'Todos', description: 'The todos of the user whose credentials are sent.' },
          { name: 'Todos, original paths', description: 'The same operations where the Django service has them.' },
          { name: 'Health', description: 'For balancers and supervisors.' },
        ],
        components: {
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
              description: 'The access token of a JWT pair.',
            },
          },
        },
      },
      refResolver: { buildLocalReference: (json, _baseUri, _fragment, i) => String(json.$id ?? `schema-${i}`) },
      // Every path answers with and without its trailing slash; the document has it without.
      transform: ({ schema, url }) => ({ schema, url: url.replace(/(?<=.)\/$/, '') }),
    });
  },
  { name: 'openapi' },
);

const DESCRIPTION = `Todos over JSON, for clients of a Django REST Framework service and any other.

Send \`Authorization: Token <key>\` (\`POST /api/token\`) or \`Authorization: Bearer <access JWT>\`
(\`POST /api/jwt/token\`): the same routes accept both. Bodies are read as JSON, URL-encoded or multipart
forms. Every path answers with and without a trailing slash, and every answer carries \`X-Request-Id\`.`;
