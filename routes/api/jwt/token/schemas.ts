import { Type } from 'typebox';
import { Text } from '../../../../src/fields.ts';
import { BODY_TYPES, errors } from '../../../../src/schemas.ts';
import { Credentials } from '../../token/schemas.ts';

const JWT = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoi….xkgFZ2nAM7nOPAu4';

const accessToken = Type.String({
  description: 'For `Authorization: Bearer <access>`; lives 5 minutes.',
  examples: [JWT],
});
const refreshToken = Type.String({ description: 'Gives new access tokens; lives a day.', examples: [JWT] });
const Refresh = Type.Object({ refresh: Text({ minLength: 1, description: 'A refresh token.', examples: [JWT] }) });
const Nothing = (description: string) => Type.Object({}, { description, examples: [{}] });

const common = { tags: ['JWT'], security: [], consumes: BODY_TYPES };

export const obtain = {
  ...common,
  operationId: 'obtainJwtPair',
  summary: 'Log in for a pair of JWTs',
  description: 'Begins a session; both tokens belong to it.',
  body: Credentials,
  response: {
    200: Type.Object({ refresh: refreshToken, access: accessToken }, { description: 'The pair.' }),
    ...errors(400, 401, 413, 415, 503),
  },
};

export const refresh = {
  ...common,
  operationId: 'refreshJwt',
  summary: 'Get a new access token',
  body: Refresh,
  response: {
    200: Type.Object({ access: accessToken }, { description: 'A new access token.' }),
    ...errors(400, 401, 413, 415, 503),
  },
};

export const verify = {
  ...common,
  operationId: 'verifyJwt',
  summary: 'Ask whether a JWT is good',
  body: Type.Object({ token: Text({ minLength: 1, description: 'A JWT of either type.', examples: [JWT] }) }),
  response: { 200: Nothing('It is good.'), ...errors(400, 401, 413, 415, 503) },
};

export const blacklist = {
  ...common,
  operationId: 'blacklistJwt',
  summary: 'Log out',
  description: 'Ends the session of a refresh token; its access tokens end at once, too.',
  body: Refresh,
  response: { 200: Nothing('The session is over.'), ...errors(400, 401, 413, 415, 503) },
};
