import { UnableToLogIn } from '../../../src/errors.ts';
import { Secret, Text } from '../../../src/fields.ts';
import { answer, BODY_TYPES, badBody, errors } from '../../../src/schemas.ts';
import { Type } from '../../../src/vendor/typebox.ts';

export const Credentials = Type.Object(
  {
    username: Text({
      minLength: 1,
      description: 'The username; white space around it is cut off.',
      examples: ['paul'],
    }),
    password: Secret({ description: 'The password, taken as it is.', examples: ['wintry-marble-otter-51'] }),
  },
  {
    title: 'Credentials',
    'x-examples': { paul: { value: { username: 'paul', password: 'wintry-marble-otter-51' } } },
  },
);

export const missingCredentials = {
  missing: { username: ['This field is required.'], password: ['This field is required.'] },
};

const TOKEN = '9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b';

const Token = Type.Object(
  {
    token: Type.String({
      pattern: '^[0-9a-f]{40}$',
      description: 'The API token, for `Authorization: Token <token>`.',
      examples: [TOKEN],
    }),
  },
  { title: 'Token' },
);

export const obtain = {
  operationId: 'obtainToken',
  summary: 'Obtain your API token',
  description: 'Answers the same token each time, until it is renewed or the password changes.',
  tags: ['Tokens'],
  security: [],
  consumes: BODY_TYPES,
  body: Credentials,
  response: {
    200: answer(Token, 'Your token.', { examples: { token: { value: { token: TOKEN } } } }),
    400: badBody(Credentials, { ...missingCredentials, refused: new UnableToLogIn().body }),
    ...errors(413, 415, 429, 503),
  },
};
