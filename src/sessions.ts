import { randomBytes } from 'node:crypto';
import type { Config } from './config.ts';
import { isMissing, type Prisma } from './database/index.ts';
import { JwtBlacklisted, JwtInvalid, JwtReused, JwtWrongType, UserInactive } from './errors.ts';
import { type Claims, type JwtCodec, readClaims } from './jwt-codec.ts';
import { type Login, noteLogin } from './users.ts';

/** Seconds that things live. */
export interface Lifetimes {
  access: number;
  refresh: number;
  /** the whole session, however often it is refreshed; defined where each refresh gives a new refresh token */
  session?: number | undefined;
}

export function lifetimesOf(config: Config): Lifetimes {
  return {
    access: config.JWT_ACCESS_TTL,
    refresh: config.JWT_REFRESH_TTL,
    session: config.JWT_ROTATE_REFRESH_TOKENS ? config.JWT_SESSION_TTL : undefined,
  };
}

/** Where a login comes from. */
export interface Origin {
  userAgent: string;
  address: string;
}

/** Begins a session; undefined where the login no longer holds. */
export async function startSession(
  prisma: Prisma,
  codec: JwtCodec,
  lifetimes: Lifetimes,
  login: Login,
  { userAgent, address }: Origin = { userAgent: '', address: '' },
): Promise<{ refresh: string; access: string } | undefined> {
  const user = { user_id: login.id, sid: randomId() };
  const iat = now();
  const refresh = newClaims('refresh', iat, iat + lifetimes.refresh, user);
  const session = {
    id: user.sid,
    userId: login.id,
    refreshJti: refresh.jti,
    expiresAt: toDate(refresh.exp),
    userAgent: userAgent.slice(0, 500),
    address: address.slice(0, 100),
  };
  try {
    await prisma.$transaction([noteLogin(prisma, login), prisma.session.create({ data: session })]);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const access = newClaims('access', iat, iat + lifetimes.access, user);
  return { refresh: codec.sign(refresh), access: codec.sign(access) };
}

/**
 * A new access token for a refresh token, which stays good; but where refresh tokens are rotated, a new
 * one takes its place. The former is good for some seconds more and gives the same successor, for
 * answers that were lost and for tabs in parallel; its later use ends the session (RFC 9700, 4.14.2).
 * @throws {JwtInvalid} {JwtWrongType} {JwtBlacklisted} {JwtReused} {UserInactive}
 */
export async function refreshSession(
  prisma: Prisma,
  codec: JwtCodec,
  lifetimes: Lifetimes,
  token: string,
): Promise<{ access: string; refresh?: string }> {
  const { jti, user_id, sid } = readRefreshClaims(codec, token);
  const user = { user_id, sid };
  for (;;) {
    const session = await prisma.session.findUnique({
      where: { id: sid, userId: user_id },
      include: { user: { select: { isActive: true } } },
    });
    if (!session) throw new JwtBlacklisted();
    if (!session.user.isActive) throw new UserInactive();
    const iat = now();
    const end = lifetimes.session === undefined ? Infinity : toSeconds(session.createdAt) + lifetimes.session;
    if (end <= iat) throw new JwtInvalid();
    const access = newClaims('access', iat, Math.min(iat + lifetimes.access, end), user);

    if (isFormer(session, jti)) {
      const issued = toSeconds(session.refreshedAt as Date);
      const successor = newClaims('refresh', issued, toSeconds(session.expiresAt), user, session.refreshJti);
      return { access: codec.sign(access), refresh: codec.sign(successor) };
    }
    if (session.refreshJti !== jti) throw await refuseOther(prisma, session);

    const where = { id: sid, refreshJti: jti };
    if (lifetimes.session === undefined) {
      const { count } = await prisma.session.updateMany({
        where,
        data: { refreshedAt: toDate(iat), previousJti: null },
      });
      if (count === 1) return { access: codec.sign(access) };
      continue;
    }
    const refresh = newClaims('refresh', iat, Math.min(iat + lifetimes.refresh, end), user);
    const data = {
      refreshJti: refresh.jti,
      previousJti: jti,
      refreshedAt: toDate(iat),
      expiresAt: toDate(refresh.exp),
    };
    const { count } = await prisma.session.updateMany({ where, data });
    if (count === 1) return { access: codec.sign(access), refresh: codec.sign(refresh) };
    // Another request was first: the next round finds what it made.
  }
}

/**
 * Returns where the token, of either type, is good and its session has not ended.
 * @throws {JwtInvalid} {JwtBlacklisted}
 */
export async function verifySession(prisma: Prisma, codec: JwtCodec, token: string): Promise<void> {
  const { token_type, jti, user_id, sid } = readClaims(codec, token);
  const session = await prisma.session.findUnique({ where: { id: sid, userId: user_id } });
  if (!session || (token_type === 'refresh' && session.refreshJti !== jti && !isFormer(session, jti))) {
    throw new JwtBlacklisted();
  }
}

/**
 * Ends the session of a refresh token, and with it all its tokens.
 * @throws {JwtInvalid} {JwtWrongType} {JwtBlacklisted} {JwtReused}
 */
export async function endSession(
  prisma: Prisma,
  codec: JwtCodec,
  token: string,
): Promise<{ userId: number; sessionId: string }> {
  const { jti, user_id, sid } = readRefreshClaims(codec, token);
  const session = await prisma.session.findUnique({ where: { id: sid, userId: user_id } });
  if (session && session.refreshJti !== jti && !isFormer(session, jti)) throw await refuseOther(prisma, session);
  const { count } = await prisma.session.deleteMany({ where: { id: sid, userId: user_id } });
  if (count === 0) throw new JwtBlacklisted();
  return { userId: user_id, sessionId: sid };
}

/** Deletes the sessions of which no token can be good any more; gives their number. */
export async function flushExpiredSessions(prisma: Prisma, lifetimes: Lifetimes): Promise<number> {
  const { count } = await prisma.session.deleteMany({
    where: { expiresAt: { lt: new Date(Date.now() - lifetimes.access * 1000) } },
  });
  return count;
}

const FORMER_IS_GOOD_FOR = 10;

/** Whether a `jti` is the one before the present, and was replaced just now. The clock may have been set back since. */
function isFormer({ previousJti, refreshedAt }: Session, jti: string): boolean {
  return previousJti === jti && refreshedAt !== null && Math.abs(now() - toSeconds(refreshedAt)) <= FORMER_IS_GOOD_FOR;
}

/** A rightly signed refresh token that is not the present one: where there was a former one, it is that, or a copy. */
async function refuseOther(prisma: Prisma, { id, userId, previousJti }: Session): Promise<Error> {
  if (previousJti === null) return new JwtBlacklisted();
  await prisma.session.deleteMany({ where: { id } });
  return new JwtReused(userId, id);
}

interface Session {
  id: string;
  userId: number;
  refreshJti: string;
  previousJti: string | null;
  refreshedAt: Date | null;
}

function readRefreshClaims(codec: JwtCodec, token: string): Claims {
  const claims = readClaims(codec, token);
  if (claims.token_type !== 'refresh') throw new JwtWrongType();
  return claims;
}

function newClaims(
  token_type: 'access' | 'refresh',
  iat: number,
  exp: number,
  user: { user_id: number; sid: string },
  jti = randomId(),
): Claims {
  return { token_type, exp, iat, jti, ...user };
}

function randomId(): string {
  return randomBytes(16).toString('hex');
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function toSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

function toDate(seconds: number): Date {
  return new Date(seconds * 1000);
}
