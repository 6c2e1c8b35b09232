import { Instant, Secret, Text } from '../../../../src/fields.ts';
import { answer, BODY_TYPES, badBody, errors } from '../../../../src/schemas.ts';
import { type Static, Type } from '../../../../src/vendor/typebox.ts';

const fields = {
  username: Text({
    minLength: 1,
    maxLength: 150,
    description: 'Letters, digits and @ . + - _; compared with case.',
    examples: ['paul'],
  }),
  email: Text({ maxLength: 254, description: 'May be blank.', examples: ['paul@domain.com'] }),
};

export const Account = Type.Object(
  {
    id: Type.Integer({ description: 'The `owner` of your todos.', examples: [1] }),
    ...fields,
    is_superuser: Type.Boolean({ description: 'Whether the todos of all users are shown.' }),
    date_joined: Type.String({ format: 'date-time', description: 'When the account was made.' }),
    last_login: Instant({ description: 'When a token or a pair of JWTs was last obtained by password. Null: never.' }),
  },
  { title: 'Account' },
);
export type Account = Static<typeof Account>;

interface StoredUser {
  id: number;
  username: string;
  email: string;
  isSuperuser: boolean;
  dateJoined: Date;
  lastLogin: Date | null;
}

/** A user as the API shows them. */
export function toAccount(user: StoredUser): Account {
  return {
    id: user.id,
    username: user.username,
    email: user.email,
    is_superuser: user.isSuperuser,
    date_joined: user.dateJoined.toISOString(),
    last_login: user.lastLogin?.toISOString() ?? null,
  };
}

export const account: Account = {
  id: 1,
  username: 'paul',
  email: 'paul@domain.com',
  is_superuser: false,
  date_joined: '2026-11-23T12:00:00.000Z',
  last_login: null,
};

export const NewPassword = (example: string) =>
  Secret({
    description: 'At least 8 characters, not all digits, not like the name or the address, and not easy to guess.',
    examples: [example],
  });

const NewAccount = Type.Object(
  { username: fields.username, email: Type.Optional(fields.email), password: NewPassword('wintry-marble-otter-51') },
  {
    title: 'NewAccount',
    'x-examples': {
      paul: { value: { username: 'paul', email: 'paul@domain.com', password: 'wintry-marble-otter-51' } },
    },
  },
);

export const register = {
  operationId: 'register',
  summary: 'Make an account',
  description: 'Only where registration is open (`REGISTRATION`). Attempts are limited by address.',
  tags: ['Accounts'],
  security: [],
  consumes: BODY_TYPES,
  body: NewAccount,
  response: {
    201: answer(Account, 'The new account.', {
      headers: {
        Location: { type: 'string', description: 'The address of the account.', examples: ['/api/v1/users/me/'] },
      },
      examples: { account: { value: account } },
    }),
    400: badBody(NewAccount, {
      missing: { username: ['This field is required.'], password: ['This field is required.'] },
      taken: { username: ['A user with that username already exists.'] },
      weak: { password: ['This password is too easy to guess.'] },
    }),
    ...errors(413, 415, 429, 503),
  },
};
