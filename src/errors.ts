import createFastifyError from '@fastify/error';

/** The answer to what has no better one: `{"detail": message}` unless the error says otherwise by `body`. */
export interface WireError extends Error {
  statusCode?: number | undefined;
  code?: string;
  /** the security event that it is, for the log */
  audit?: { event: 'session.reused'; userId: number; sessionId: string };
  /** seconds after which another try may help */
  retryAfter?: number;
  body?: unknown;
  /** what Fastify's own error handler sends with it */
  headers?: Record<string, string[]>;
}

/** The class of an error that is an answer: without a stack, which costs the most of it and which nobody reads. */
const createError = <Args extends unknown[] = []>(code: string, message: string, status: number) =>
  createFastifyError<Args>(code, message, status, Error, false);

// Requests

/** The path, or the thing it names, does not exist; or it is another user's. */
export const NotFound = createError('TODO_NOT_FOUND', 'Not found.', 404);
export const MissingHost = createError('TODO_MISSING_HOST', 'Request has no Host header.', 400);
export const SeveralHosts = createError('TODO_SEVERAL_HOSTS', 'Request has several Host headers.', 400);
export const PermissionDenied = createError(
  'TODO_PERMISSION_DENIED',
  'You do not have permission to perform this action.',
  403,
);
export const MethodNotAllowed = createError<[string]>('TODO_METHOD_NOT_ALLOWED', 'Method "%s" not allowed.', 405);
export const UnsupportedMediaType = createError<[string]>(
  'TODO_UNSUPPORTED_MEDIA_TYPE',
  'Unsupported media type "%s" in request.',
  415,
);
export const JsonParseError = createError<[string]>('TODO_JSON_PARSE_ERROR', 'JSON parse error - %s', 400);
export const MultipartParseError = createError<[string]>(
  'TODO_MULTIPART_PARSE_ERROR',
  'Multipart form parse error - %s',
  400,
);
export const BodyTooComplex = createError<[string]>('TODO_BODY_TOO_COMPLEX', 'Request body has more than %s.', 400);
export const BadIdempotencyKey = createError(
  'TODO_BAD_IDEMPOTENCY_KEY',
  'Idempotency-Key must be 1 to 255 printable ASCII characters, in quotation marks where they hold space, comma, quotation mark or backslash.',
  400,
);
/** The first request of a key is not answered yet. */
export class IdempotencyKeyInUse extends createError(
  'TODO_IDEMPOTENCY_KEY_IN_USE',
  'A request with this Idempotency-Key is still under way.',
  409,
) {
  readonly retryAfter = 1;
}
export const IdempotencyKeyReused = createError(
  'TODO_IDEMPOTENCY_KEY_REUSED',
  'This Idempotency-Key was used for another request.',
  422,
);
export const BodyTooLarge = createError('TODO_BODY_TOO_LARGE', 'Request body is too large.', 413);
/** A thing is not as the request's `If-Match` or `If-None-Match` expects it. */
export const PreconditionFailed = createError(
  'TODO_PRECONDITION_FAILED',
  'What is there is not what the request expects; read it again.',
  412,
);
/** Too many attempts; the same may be tried again after some seconds. */
export class Throttled extends createError<[string]>('TODO_THROTTLED', 'Request was throttled. %s', 429) {
  /** whole seconds */
  readonly retryAfter: number;
  constructor(seconds: number) {
    super(`Expected available in ${seconds} second${seconds === 1 ? '' : 's'}.`);
    this.retryAfter = seconds;
  }
}
/** The database is busy or gone; worth another try. */
export const Unavailable = createError('TODO_UNAVAILABLE', 'Service temporarily unavailable, try again later.', 503);
/** Nobody hears of it; in the log it has nginx's status for this. */
export const ClientGone = createError('TODO_CLIENT_GONE', 'The client has gone.', 499);

/** Maps each bad field to its messages; `non_field_errors` holds what concerns no single field. */
export class FieldErrors extends createError('TODO_FIELD_ERRORS', 'Invalid input.', 400) {
  readonly body: Record<string, string[]>;
  constructor(body: Record<string, string[]>) {
    super();
    this.body = body;
  }
}

// Credentials on a request

export const NotAuthenticated = createError(
  'TODO_NOT_AUTHENTICATED',
  'Authentication credentials were not provided.',
  401,
);
export const EmptyTokenHeader = createError(
  'TODO_EMPTY_TOKEN_HEADER',
  'Invalid token header. No credentials provided.',
  401,
);
export const SpacedTokenHeader = createError(
  'TODO_SPACED_TOKEN_HEADER',
  'Invalid token header. Token string should not contain spaces.',
  401,
);
export const UndecodableTokenHeader = createError(
  'TODO_UNDECODABLE_TOKEN_HEADER',
  'Invalid token header. Token string should not contain invalid characters.',
  401,
);
export const InvalidToken = createError('TODO_INVALID_TOKEN', 'Invalid token.', 401);
export const TokenUserInactive = createError('TODO_TOKEN_USER_INACTIVE', 'User inactive or deleted.', 401);

/** An error that carries a SimpleJWT `code` beside its detail. */
const codedError = (code: string, wireCode: string, message: string) =>
  class extends createError(code, message, 401) {
    readonly body: unknown = { detail: message, code: wireCode };
  };

export const BadBearerHeader = codedError(
  'TODO_BAD_BEARER_HEADER',
  'bad_authorization_header',
  'Authorization header must contain two space-delimited values',
);
export const UserInactive = codedError('TODO_USER_INACTIVE', 'user_inactive', 'User is inactive');

/** An access token that a request presented and that does not hold, for the reason of another error. */
export class AccessTokenRefused extends createError(
  'TODO_ACCESS_TOKEN_REFUSED',
  'Given token not valid for any token type',
  401,
) {
  readonly body: unknown;
  constructor(reason: string) {
    super();
    this.body = {
      detail: this.message,
      code: 'token_not_valid',
      messages: [{ token_class: 'AccessToken', token_type: 'access', message: reason }],
    };
  }
}

// Logging in, and the JWTs themselves

/** Wrong password, unknown or inactive user at `POST /api/token`. */
export class UnableToLogIn extends FieldErrors {
  constructor() {
    super({ non_field_errors: ['Unable to log in with provided credentials.'] });
  }
}
/** Wrong password, unknown or inactive user at `POST /api/jwt/token/`. */
export const NoActiveAccount = createError(
  'TODO_NO_ACTIVE_ACCOUNT',
  'No active account found with the given credentials',
  401,
);
export const JwtInvalid = codedError('TODO_JWT_INVALID', 'token_not_valid', 'Token is invalid or expired');
export const JwtWrongType = codedError('TODO_JWT_WRONG_TYPE', 'token_not_valid', 'Token has wrong type');
export const JwtBlacklisted = codedError('TODO_JWT_BLACKLISTED', 'token_not_valid', 'Token is blacklisted');
/** A refresh token that was used though another had taken its place: somebody has a copy. Its session is ended. */
export class JwtReused extends JwtBlacklisted {
  readonly audit;
  constructor(userId: number, sessionId: string) {
    super();
    this.audit = { event: 'session.reused', userId, sessionId } as const;
  }
}

/** A command that could not do what it was asked; the message is for the person who typed it. */
export class CommandError extends Error {}
