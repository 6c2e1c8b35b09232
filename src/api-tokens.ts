import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { digestApiToken } from './api-token-keys.ts';
import { isMissing, isUniqueViolation, type LiveUser, type Prisma } from './database/index.ts';
import { FieldErrors } from './errors.ts';
import { type Login, noteLogin } from './users.ts';

/** What a token may be bound to. */
export const SCOPES = ['todo:read', 'todo:write'] as const;
export type Scope = (typeof SCOPES)[number];

function deriveKey(secretKey: string, nonce: string): string {
  return createHmac('sha256', secretKey).update(`todo-api/api-token/${nonce}`).digest('hex').slice(0, 40);
}

/** The key of a stored default token, where one of the secrets derives it. */
function findKey(secretKeys: string[], { nonce, digest }: { nonce: string | null; digest: string }) {
  return secretKeys
    .map((secretKey) => deriveKey(secretKey, String(nonce)))
    .find((key) => timingSafeEqual(Buffer.from(digestApiToken(key)), Buffer.from(digest)));
}

/**
 * The user's default API token, the same each time. It is derived from a secret and a stored nonce, and
 * so can be shown again though only its digest is kept. The first secret derives what is new; where none
 * derives what is stored, a new one takes its place, and `onNew` is called. Undefined where the user is
 * no longer as `user` says.
 */
export async function obtainApiToken(
  prisma: Prisma,
  secretKeys: [string, ...string[]],
  user: Login | { id: number },
  onNew: () => void = () => {},
): Promise<string | undefined> {
  for (;;) {
    const stored = await prisma.apiToken.findFirst({ where: { userId: user.id, nonce: { not: null } } });
    const key = stored && findKey(secretKeys, stored);
    const nonce = randomBytes(20).toString('hex');
    const data = { nonce, digest: digestApiToken(deriveKey(secretKeys[0], nonce)), createdAt: new Date() };
    const login = 'password' in user ? [noteLogin(prisma, user)] : [];
    try {
      if (key) {
        await prisma.$transaction(login);
        return key;
      }
      const change = stored
        ? prisma.apiToken.updateMany({ where: { id: stored.id, digest: stored.digest }, data })
        : prisma.apiToken.create({ data: { userId: user.id, name: 'default', ...data } });
      const made = (await prisma.$transaction([...login, change])).at(-1);
      if (made && !('count' in made && made.count === 0)) onNew();
    } catch (error) {
      if (isMissing(error)) return undefined;
      // Another request made it first: the next round reads what it made.
      if (!isUniqueViolation(error)) throw error;
    }
  }
}

export interface NewApiToken {
  name: string;
  /** null: all that the user may do */
  scopes: Scope[] | null;
  expiresAt: Date | null;
}

const MAX_TOKENS = 50;

/**
 * A further API token of the user, with its key, which is kept nowhere. It ends no later than the token
 * that it is made with; and fails (`isMissing`) where their credential has ended by now.
 * @throws {FieldErrors} where they have as many as they may, or it would end later
 */
export async function createApiToken(
  prisma: Prisma,
  { id: userId, credential }: LiveUser,
  { name, scopes, expiresAt }: NewApiToken,
) {
  const end = credential.kind === 'token' ? credential.expiresAt : null;
  if (end && !(expiresAt && expiresAt <= end)) {
    throw new FieldErrors({ expires_at: ['This must not be later than the end of the token of this request.'] });
  }
  const key = randomBytes(20).toString('hex');
  const data = { userId, name, expiresAt, scopes: scopes?.join(' ') ?? null, digest: digestApiToken(key) };
  return prisma.$transaction(async (tx) => {
    // Locks the user, so that two at once do not both find room for one.
    await tx.user.update({ where: { id: userId, isActive: true }, data: { isActive: true } });
    // The body may have come long after the header.
    if (credential.kind === 'token') await tx.apiToken.findUniqueOrThrow({ where: { id: credential.id, userId } });
    else await tx.session.findUniqueOrThrow({ where: { id: credential.id, userId } });
    if ((await tx.apiToken.count({ where: { userId, nonce: null } })) >= MAX_TOKENS) {
      throw new FieldErrors({ non_field_errors: [`You have ${MAX_TOKENS} tokens already. Delete one first.`] });
    }
    return { ...(await tx.apiToken.create({ data })), key };
  });
}

/** Ends the user's default API token, so that the next one obtained is new. */
export async function endApiToken(prisma: Prisma, userId: number): Promise<void> {
  await prisma.apiToken.deleteMany({ where: { userId, nonce: { not: null } } });
}
