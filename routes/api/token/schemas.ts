import { Type } from 'typebox';
import { Secret, Text } from '../../../src/fields.ts';
import { BODY_TYPES, errors } from '../../../src/schemas.ts';

export const Credentials = Type.Object({
  username: Text({ minLength: 1, description: 'The username; white space around it is cut off.', examples: ['paul'] }),
  password: Secret({ description: 'The password, taken as it is.', examples: ['correct horse battery staple'] }),
});

const Token = Type.Object({
  token: Type.String({
    description: 'The API token, for `Authorization: Token <token>`.',
    examples: ['9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b'],
  }),
});

export const obtain = {
  operationId: 'obtainToken',
  summary: 'Obtain your API token',
  description: 'Answers the same token each time, until it is renewed or the password changes.',
  tags: ['Tokens'],
  security: [],
  consumes: BODY_TYPES,
  body: Credentials,
  response: {
    200: Type.Object({ ...Token.properties }, { description: 'Your token.' }),
    ...errors(400, 413, 415, 503),
  },
};
