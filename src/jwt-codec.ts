import { JwtInvalid } from './errors.ts';
import { isId } from './ids.ts';

/** The claims of a JWT as SimpleJWT writes them; times are seconds since 1970. */
export interface Claims {
  token_type: string;
  exp: number;
  iat: number;
  jti: string;
  user_id: number;
  /** the session, one login, that the token belongs to */
  sid: string;
}

/** `verify` gives the payload of a token whose signature and expiry hold and throws for any other. */
export interface JwtCodec {
  sign(claims: Claims): string;
  verify(token: string): unknown;
}

// Seconds by which the clocks of the processes that share a database may differ.
const CLOCK_SKEW = 5;

/**
 * The claims of a token whose signature, expiry and required claims hold.
 * @throws {JwtInvalid}
 */
export function readClaims(codec: JwtCodec, token: string): Claims {
  let claims: Partial<Claims>;
  try {
    claims = codec.verify(token) as Partial<Claims>;
  } catch {
    throw new JwtInvalid();
  }
  const { exp, iat = 0, jti, user_id, sid } = claims;
  if (
    !Number.isFinite(exp) ||
    !(iat <= Math.floor(Date.now() / 1000) + CLOCK_SKEW) ||
    typeof jti !== 'string' ||
    !isId(user_id) ||
    typeof sid !== 'string'
  ) {
    throw new JwtInvalid();
  }
  return claims as Claims;
}

/** The public half of a key pair as a JSON Web Key (RFC 7517): all that anyone may know of it. */
export interface PublicJwk {
  kty: string;
  kid: string;
  alg: string;
  use: 'sig';
  n?: string;
  e?: string;
  crv?: string;
  x?: string;
  y?: string;
}

/** A key with the one algorithm that it is good for. */
export interface JwtKey {
  algorithm: 'HS256' | 'RS256' | 'ES256' | 'EdDSA';
  /** a secret, or the PEM of a key pair; one without its private half verifies only */
  secret: string | { public: string; private?: string };
  /** of a key pair alone */
  jwk?: PublicJwk;
}

type Verify = (token: string) => unknown;

/**
 * Has a token verified by the key pair that its `kid` names, or else by the secrets, whose tokens name none.
 * @param verifiers of `keys`, one each; they throw for a token that is not good
 */
export function verifyByKeys(keys: JwtKey[], verifiers: Verify[]): Verify {
  const bySecret = inTurn(verifiers.filter((_, index) => !keys[index]?.jwk));
  const byKid = new Map(keys.map(({ jwk }, index) => [jwk?.kid, verifiers[index]]));
  byKid.delete(undefined);
  return byKid.size === 0 ? bySecret : (token) => (byKid.get(kidOf(token)) ?? bySecret)(token);
}

/** The next one is asked only where the signature is not of the one before. */
function inTurn([verify = refuse, ...others]: Verify[]): Verify {
  if (others.length === 0) return verify;
  const next = inTurn(others);
  return (token) => {
    try {
      return verify(token);
    } catch (error) {
      if ((error as { code?: string }).code !== 'FAST_JWT_INVALID_SIGNATURE') throw error;
      return next(token);
    }
  };
}

function refuse(): never {
  throw new JwtInvalid();
}

/** What a token says of itself, of whatever type it be; it chooses among keys and is used for nothing else. */
function kidOf(token: string) {
  return JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString())?.kid;
}
