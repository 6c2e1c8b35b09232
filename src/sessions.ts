import { randomBytes } from 'node:crypto';
import { isMissing, type Prisma } from './database/index.ts';
import { JwtBlacklisted, JwtInvalid, JwtWrongType, UserInactive } from './errors.ts';
import { isId } from './ids.ts';
import { type Login, noteLogin } from './users.ts';

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

/** Seconds that a token lives. */
export interface Lifetimes {
  access: number;
  refresh: number;
}

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
    !(iat <= now()) ||
    typeof jti !== 'string' ||
    !isId(user_id) ||
    typeof sid !== 'string'
  ) {
    throw new JwtInvalid();
  }
  return claims as Claims;
}

/** Begins a session; undefined where the login no longer holds. */
export async function startSession(
  prisma: Prisma,
  codec: JwtCodec,
  lifetimes: Lifetimes,
  login: Login,
): Promise<{ refresh: string; access: string } | undefined> {
  const user = { user_id: login.id, sid: randomId() };
  const refresh: Claims = { ...newClaims('refresh', lifetimes.refresh), ...user };
  const session = { id: user.sid, userId: login.id, refreshJti: refresh.jti, expiresAt: new Date(refresh.exp * 1000) };
  try {
    await prisma.$transaction([noteLogin(prisma, login), prisma.session.create({ data: session })]);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return {
    refresh: codec.sign(refresh),
    access: codec.sign({ ...newClaims('access', lifetimes.access), ...user }),
  };
}

/**
 * A new access token for a refresh token, which stays good.
 * @throws {JwtInvalid} {JwtWrongType} {JwtBlacklisted} {UserInactive}
 */
export async function refreshSession(
  prisma: Prisma,
  codec: JwtCodec,
  lifetimes: Lifetimes,
  token: string,
): Promise<string> {
  const { jti, user_id, sid } = readRefreshClaims(codec, token);
  const session = await prisma.session.findUnique({
    where: { id: sid, userId: user_id, refreshJti: jti },
    select: { user: { select: { isActive: true } } },
  });
  if (!session) throw new JwtBlacklisted();
  if (!session.user.isActive) throw new UserInactive();
  return codec.sign({ ...newClaims('access', lifetimes.access), user_id, sid });
}

/**
 * Returns where the token, of either type, is good and its session has not ended.
 * @throws {JwtInvalid} {JwtBlacklisted}
 */
export async function verifySession(prisma: Prisma, codec: JwtCodec, token: string): Promise<void> {
  const { user_id, sid } = readClaims(codec, token);
  const count = await prisma.session.count({ where: { id: sid, userId: user_id } });
  if (count === 0) throw new JwtBlacklisted();
}

/**
 * Ends the session of a refresh token, and with it all its tokens.
 * @throws {JwtInvalid} {JwtWrongType} {JwtBlacklisted}
 */
export async function endSession(prisma: Prisma, codec: JwtCodec, token: string): Promise<void> {
  const { user_id, sid } = readRefreshClaims(codec, token);
  const { count } = await prisma.session.deleteMany({ where: { id: sid, userId: user_id } });
  if (count === 0) throw new JwtBlacklisted();
}

/** Deletes the sessions of which no token can be good any more; gives their number. */
export async function flushExpiredSessions(prisma: Prisma, lifetimes: Lifetimes): Promise<number> {
  const { count } = await prisma.session.deleteMany({
    where: { expiresAt: { lt: new Date(Date.now() - lifetimes.access * 1000) } },
  });
  return count;
}

function readRefreshClaims(codec: JwtCodec, token: string): Claims {
  const claims = readClaims(codec, token);
  if (claims.token_type !== 'refresh') throw new JwtWrongType();
  return claims;
}

function newClaims(token_type: 'access' | 'refresh', lifetime: number) {
  const iat = now();
  return { token_type, exp: iat + lifetime, iat, jti: randomId() };
}

function randomId(): string {
  return randomBytes(16).toString('hex');
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
