import { JwtBlacklisted, JwtInvalid, JwtWrongType, NoActiveAccount, UserInactive } from '../../../../src/errors.ts';
import { Text } from '../../../../src/fields.ts';
import {
  answer,
  BODY_TYPES,
  badBody,
  challenge,
  Detail,
  errors,
  examplesOf,
  Unauthorized,
} from '../../../../src/schemas.ts';
import { type TSchema, Type } from '../../../../src/vendor/typebox.ts';
import { Credentials, missingCredentials } from '../../token/schemas.ts';

const ACCESS =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIn0.hHsFNNNlZ8kQm3VnT0aXu1l2bSxv9aKcYyqX0s6Wf5M';
const REFRESH =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.Q2f7Zk0m9sW4dXyVb1uE6tRj3hNcGpLaO8iKxT5wYzA';

const access = Type.String({
  description: 'For `Authorization: Bearer <access>`; lives 5 minutes unless set otherwise.',
  examples: [ACCESS],
});
const refreshToken = Type.String({
  description: 'Gives new access tokens; lives a day unless set otherwise.',
  examples: [REFRESH],
});

const JwtPair = Type.Object({ refresh: refreshToken, access }, { title: 'JwtPair' });
const RefreshedJwt = Type.Object(
  {
    access,
    refresh: Type.Optional(
      Type.String({
        description: 'Where refresh tokens are rotated (`JWT_ROTATE_REFRESH_TOKENS`): takes the place of the former.',
        examples: [REFRESH],
      }),
    ),
  },
  { title: 'RefreshedJwt' },
);
const RefreshJwt = Type.Object(
  { refresh: Text({ minLength: 1, description: 'A refresh token.', examples: [REFRESH] }) },
  { title: 'RefreshJwt', 'x-examples': { refresh: { value: { refresh: REFRESH } } } },
);
const AnyJwt = Type.Object(
  { token: Text({ minLength: 1, description: 'A JWT of either type.', examples: [ACCESS] }) },
  {
    title: 'AnyJwt',
    'x-examples': { access: { value: { token: ACCESS } }, refresh: { value: { token: REFRESH } } },
  },
);
const Nothing = Type.Object({}, { title: 'Nothing', description: 'An object without fields.' });

const nothing = (description: string) => answer(Nothing, description, { examples: { nothing: { value: {} } } });

/** A 401 of these routes, which do not look at the credentials of a request but at its body. */
const refused = (schema: TSchema, description: string, faults: Parameters<typeof examplesOf>[0]) =>
  answer(schema, description, { headers: challenge('Bearer realm="api"'), examples: examplesOf(faults) });

const invalid = new JwtInvalid();
const wrongType = new JwtWrongType();
const loggedOut = new JwtBlacklisted();
const refusedToken = (faults: Parameters<typeof examplesOf>[0]) =>
  refused(Unauthorized, 'The token is refused.', faults);
const missing = (schema: typeof RefreshJwt | typeof AnyJwt, field: string) =>
  badBody(schema, { missing: { [field]: ['This field is required.'] } });

const common = { tags: ['JWT'], security: [], consumes: BODY_TYPES };

export const obtain = {
  ...common,
  operationId: 'obtainJwtPair',
  summary: 'Log in for a pair of JWTs',
  description: 'Begins a session; both tokens belong to it.',
  body: Credentials,
  response: {
    200: answer(JwtPair, 'The pair.', { examples: { pair: { value: { refresh: REFRESH, access: ACCESS } } } }),
    400: badBody(Credentials, missingCredentials),
    401: refused(Detail, 'The credentials are refused.', { refused: new NoActiveAccount() }),
    ...errors(413, 415, 429, 503),
  },
};

export const refresh = {
  ...common,
  operationId: 'refreshJwt',
  summary: 'Get a new access token',
  description:
    'A refresh token may be used again and again while it lives; but where refresh tokens are rotated, once, and 10 seconds more with the same answer: using it later ends the session.',
  body: RefreshJwt,
  response: {
    200: answer(RefreshedJwt, 'A new access token.', { examples: { access: { value: { access: ACCESS } } } }),
    400: missing(RefreshJwt, 'refresh'),
    401: refusedToken({ invalid, wrongType, loggedOut, inactiveUser: new UserInactive() }),
    ...errors(413, 415, 503),
  },
};

export const verify = {
  ...common,
  operationId: 'verifyJwt',
  summary: 'Ask whether a JWT is good',
  description: 'Of either type: rightly signed, not expired, and of a session that is not over.',
  body: AnyJwt,
  response: {
    200: nothing('It is good.'),
    400: missing(AnyJwt, 'token'),
    401: refusedToken({ invalid, loggedOut }),
    ...errors(413, 415, 503),
  },
};

export const blacklist = {
  ...common,
  operationId: 'blacklistJwt',
  summary: 'Log out',
  description: 'Ends the session of a refresh token; its access tokens end at once, too.',
  body: RefreshJwt,
  response: {
    200: nothing('The session is over.'),
    400: missing(RefreshJwt, 'refresh'),
    401: refusedToken({ invalid, wrongType, loggedOut }),
    ...errors(413, 415, 503),
  },
};
