import { Secret } from '../../../../../src/fields.ts';
import { answer, BODY_TYPES, badBody, errors } from '../../../../../src/schemas.ts';
import { Type } from '../../../../../src/vendor/typebox.ts';
import { Account, account, NewPassword } from '../schemas.ts';

const AccountChange = Type.Object(
  { email: Type.Optional(Account.properties.email) },
  {
    title: 'AccountChange',
    description: 'What is left out stays as it is.',
    'x-examples': { email: { value: { email: 'paul@domain.com' } } },
  },
);

const PasswordChange = Type.Object(
  {
    current_password: Secret({ description: 'The password as it is.', examples: ['wintry-marble-otter-51'] }),
    new_password: NewPassword('quiet-lantern-walrus-92'),
  },
  {
    title: 'PasswordChange',
    'x-examples': {
      change: { value: { current_password: 'wintry-marble-otter-51', new_password: 'quiet-lantern-walrus-92' } },
    },
  },
);

const PasswordProof = Type.Object(
  { password: Secret({ description: 'The password, once more.', examples: ['wintry-marble-otter-51'] }) },
  { title: 'PasswordProof', 'x-examples': { proof: { value: { password: 'wintry-marble-otter-51' } } } },
);

const shown = answer(Account, 'Your account.', { examples: { account: { value: account } } });

const common = { tags: ['Accounts'], security: [{ tokenAuth: [] }, { jwtAuth: [] }] };

export const read = {
  ...common,
  operationId: 'readAccount',
  summary: 'Read your account',
  description: 'Yours alone, for a superuser too.',
  response: { 200: shown, ...errors(401, 403, 503) },
};

export const change = {
  ...common,
  operationId: 'changeAccount',
  summary: 'Change your account',
  description: 'Your e-mail address; your name stays.',
  consumes: BODY_TYPES,
  body: AccountChange,
  response: {
    200: shown,
    400: badBody(AccountChange, { bad: { email: ['Enter a valid email address.'] } }),
    ...errors(401, 403, 413, 415, 503),
  },
};

export const changePassword = {
  ...common,
  operationId: 'changePassword',
  summary: 'Change your password',
  description: 'Ends all your sessions and API tokens but the one of this request.',
  consumes: BODY_TYPES,
  body: PasswordChange,
  response: {
    204: Type.Null({ description: 'It is changed.' }),
    400: badBody(PasswordChange, {
      wrong: { current_password: ['Invalid password.'] },
      weak: { new_password: ['This password is too easy to guess.'] },
    }),
    ...errors(401, 403, 413, 415, 429, 503),
  },
};

export const remove = {
  ...common,
  operationId: 'deleteAccount',
  summary: 'Delete your account',
  description: 'With all your todos, tokens and sessions, for good. The last active superuser must stay.',
  consumes: BODY_TYPES,
  body: PasswordProof,
  response: {
    204: Type.Null({ description: 'It is gone.' }),
    400: badBody(PasswordProof, {
      wrong: { password: ['Invalid password.'] },
      last: { non_field_errors: ['You are the last active superuser, who cannot be deleted.'] },
    }),
    ...errors(401, 403, 413, 415, 429, 503),
  },
};
