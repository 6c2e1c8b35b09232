import { Instant } from '../../../../src/fields.ts';
import { answer, errors } from '../../../../src/schemas.ts';
import { type Static, Type } from '../../../../src/vendor/typebox.ts';

const ID = '5d41402abc4b2a76b9719d911017c592';

const Session = Type.Object(
  {
    id: Type.String({ description: 'The `sid` of its JWTs.', examples: [ID] }),
    created_at: Type.String({ format: 'date-time', description: 'When it was begun, by a login.' }),
    last_refreshed_at: Instant({ description: 'When its refresh token was last used. Null: never.' }),
    expires_at: Type.String({ format: 'date-time', description: 'When its refresh token expires.' }),
    user_agent: Type.String({ description: 'The `User-Agent` of the login.', examples: ['curl/8.14.1'] }),
    address: Type.String({ description: 'The address that the login came from.', examples: ['203.0.113.7'] }),
    is_current: Type.Boolean({ description: "Whether it is the one of this request's JWT." }),
  },
  { title: 'Session', description: 'One JWT login, with all its tokens.' },
);
export type Session = Static<typeof Session>;

const session = {
  id: ID,
  created_at: '2026-11-23T12:00:00.000Z',
  last_refreshed_at: '2026-11-23T12:04:58.000Z',
  expires_at: '2026-11-24T12:00:00.000Z',
  user_agent: 'curl/8.14.1',
  address: '203.0.113.7',
  is_current: true,
};

const common = { tags: ['Sessions'], security: [{ tokenAuth: [] }, { jwtAuth: [] }] };

export const list = {
  ...common,
  operationId: 'listSessions',
  summary: 'List your sessions',
  description: 'Newest first, those that have not expired, up to 1000; yours alone, for a superuser too.',
  response: {
    200: answer(Type.Array(Session), 'The sessions.', { examples: { sessions: { value: [session] } } }),
    ...errors(401, 403, 503),
  },
};

export const remove = {
  ...common,
  operationId: 'endSession',
  summary: 'End a session',
  description: 'Its access and refresh tokens are refused from the next request on.',
  params: Type.Object({
    id: Type.String({ pattern: '^[0-9a-f]{32}$', description: "The session's id.", examples: [ID] }),
  }),
  response: { 204: Type.Null({ description: 'It is over.' }), ...errors(401, 403, 404, 413, 503) },
};

export const removeAll = {
  ...common,
  operationId: 'endSessions',
  summary: 'Log out everywhere',
  description: 'Ends all your sessions, the one of this request too. API tokens stay good.',
  response: { 204: Type.Null({ description: 'They are over.' }), ...errors(401, 403, 413, 503) },
};
