import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer, errors } from '../../../src/schemas.ts';
import { Type } from '../../../src/vendor/typebox.ts';

const member = (description: string) => Type.Optional(Type.String({ description }));

// What is not named here is not in the answer: a private member could not get out.
const PublicJwk = Type.Object(
  {
    kty: Type.String({ description: 'The type of the key: `RSA`, `EC` or `OKP`.' }),
    kid: Type.String({ description: 'The name of the key in the header of a JWT: its thumbprint (RFC 7638).' }),
    alg: Type.String({ description: 'The one algorithm of the key: `RS256`, `ES256` or `EdDSA`.' }),
    use: Type.String({ description: 'Always `sig`.' }),
    n: member('The modulus of an RSA key.'),
    e: member('The exponent of an RSA key.'),
    crv: member('The curve of an EC key or of an OKP: `P-256` or `Ed25519`.'),
    x: member('The x coordinate of an EC key; the whole of an OKP.'),
    y: member('The y coordinate of an EC key.'),
  },
  { title: 'PublicJwk', description: 'A public key as a JSON Web Key (RFC 7517).' },
);
const PublicJwks = Type.Object(
  { keys: Type.Array(PublicJwk, { description: 'First the one that signs.' }) },
  { title: 'PublicJwks' },
);

// The key of RFC 8037, A.2, and its thumbprint.
const EXAMPLE = {
  kty: 'OKP',
  kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
  alg: 'EdDSA',
  use: 'sig',
  crv: 'Ed25519',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
};

const schema = {
  operationId: 'listPublicKeys',
  summary: 'List the public keys of the JWTs',
  description: 'By them other services can verify the JWTs of this one. There are none where a secret signs (HS256).',
  tags: ['JWT'],
  security: [],
  response: {
    200: answer(PublicJwks, 'The keys; the header `kid` of a JWT names the one that signed it.', {
      examples: { keyPair: { value: { keys: [EXAMPLE] } }, secret: { value: { keys: [] } } },
    }),
    ...errors(503),
  },
};

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.get('/', { schema }, async (_request, reply) => {
    reply.header('cache-control', 'public, max-age=300');
    return { keys: fastify.publicJwks };
  });
};

export default routes;
