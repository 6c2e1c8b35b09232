import { type Credential, isMissing, isUniqueViolation, type Prisma } from './database/index.ts';
import { CommandError, FieldErrors } from './errors.ts';
import { trim } from './fields.ts';
import { findPasswordFaults } from './password-policy.ts';
import { checkQueue, hashPassword, needsRehash, verifyPassword } from './passwords.ts';

/** A user whose password was just proven. As a condition it holds until the password changes or the user is made inactive. */
export interface Login {
  id: number;
  password: string;
  isActive: true;
}

/** Names are compared in this form, with case. One that is far too long is left as it is: that could take a minute. */
export function normaliseUsername(username: string): string {
  const trimmed = trim(username);
  return trimmed.length > 1000 ? trimmed : trimmed.normalize('NFKC');
}

/** What came of an attempt to log in. */
export interface LoginAttempt {
  /** where it succeeded */
  login?: Login | undefined;
  /** whose it was, where there is a user of the name */
  userId?: number | undefined;
}

/**
 * Logs an active user in by password: refused for a wrong password, an unknown and an inactive user, in
 * the same time. Renews a hash of outdated parameters.
 * @throws {Unavailable} where too many passwords wait to be hashed
 * @throws {ClientGone} where nobody waits for the answer any more
 */
export async function attemptLogin(
  prisma: Prisma,
  username: string,
  password: string,
  isAwaited?: () => boolean,
): Promise<LoginAttempt> {
  checkQueue();
  const user = await prisma.user.findUnique({ where: { username: normaliseUsername(username) } });
  const isRight = await verifyPassword(user?.password, password, isAwaited);
  if (!user || !isRight || !user.isActive) return { userId: user?.id };
  const login: Login = { id: user.id, password: user.password, isActive: true };
  if (!needsRehash(user.password)) return { login, userId: user.id };
  const renewed = await hashPassword(password);
  const { count } = await prisma.user.updateMany({ where: login, data: { password: renewed } });
  return { login: count === 1 ? { ...login, password: renewed } : undefined, userId: user.id };
}

/**
 * Notes the time of a login. In a transaction with what the login is for, it sees to it that nothing is
 * made for a password that was changed meanwhile: it fails (`isMissing`) where the login no longer
 * holds, and has a change wait that comes after it.
 */
export function noteLogin(prisma: Prisma, login: Login) {
  return prisma.user.update({ where: login, data: { lastLogin: new Date() }, select: { id: true } });
}

const USERNAME = /^[\p{L}\p{N}_.@+-]+$/u;
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@.]+$/;

/**
 * The username as it is stored.
 * @throws {CommandError} in Django's words
 */
export function checkUsername(given: string): string {
  const username = normaliseUsername(given);
  const length = [...username].length;
  if (length === 0) throw new CommandError('This field cannot be blank.');
  if (length > 150) throw new CommandError(`Ensure this value has at most 150 characters (it has ${length}).`);
  if (!USERNAME.test(username)) {
    throw new CommandError(
      'Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.',
    );
  }
  return username;
}

/**
 * The e-mail address as it is stored, its domain in lower case; may be blank.
 * @throws {CommandError} in Django's words
 */
export function checkEmail(given: string): string {
  const trimmed = trim(given);
  const at = trimmed.lastIndexOf('@');
  // A letter may become two when it is made small.
  const email = trimmed.slice(0, at + 1) + trimmed.slice(at + 1).toLowerCase();
  if (email !== '' && (!EMAIL.test(email) || [...email].length > 254)) {
    throw new CommandError('Enter a valid email address.');
  }
  return email;
}

/**
 * Makes a user of checked values.
 * @throws {CommandError} where the username is taken
 */
export async function createUser(
  prisma: Prisma,
  { password, ...user }: { username: string; email: string; password: string; isSuperuser: boolean },
) {
  const data = { ...user, password: await hashPassword(password) };
  try {
    return await prisma.user.create({ data, omit: { password: true } });
  } catch (error) {
    if (isUniqueViolation(error)) throw new CommandError('A user with that username already exists.');
    throw error;
  }
}

/**
 * The values of a new account in the form in which they are stored.
 * @throws {FieldErrors} with all that is wrong
 */
export async function checkAccount(given: { username: string; email: string; password: string }) {
  const faults: Record<string, string[]> = {};
  const check = (field: 'username' | 'email', read: (value: string) => string) => {
    try {
      return read(given[field]);
    } catch (error) {
      faults[field] = [(error as CommandError).message];
      return given[field];
    }
  };
  const account = { username: check('username', checkUsername), email: check('email', checkEmail) };
  const password = await findPasswordFaults(given.password, account);
  if (password.length > 0) faults.password = password;
  if (Object.keys(faults).length > 0) throw new FieldErrors(faults);
  return { ...account, password: given.password };
}

/**
 * Sets the password and ends the user's tokens and sessions, all but the credential to keep. False where
 * the login no longer holds.
 */
export async function changePassword(
  prisma: Prisma,
  user: Login | { id: number },
  password: string,
  keep?: Credential,
): Promise<boolean> {
  const data = { password: await hashPassword(password) };
  const userId = user.id;
  const token = keep?.kind === 'token' ? keep.id : undefined;
  const session = keep?.kind === 'session' ? keep.id : undefined;
  try {
    // The user first: a login that is under way is finished before, and its session found, or refused after.
    await prisma.$transaction([
      prisma.user.update({ where: user, data }),
      prisma.apiToken.deleteMany({ where: { userId, ...(token && { id: { not: token } }) } }),
      prisma.session.deleteMany({ where: { userId, ...(session && { id: { not: session } }) } }),
    ]);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

// The database's own limit on a statement is the one that counts.
const MAX_DELETION_MS = 600_000;

/**
 * Deletes a user with their todos, tokens and sessions. False where the user is the last active
 * superuser, who must stay; fails (`isMissing`) where there is none.
 */
export async function deleteUser(prisma: Prisma, userId: number): Promise<boolean> {
  const count = await prisma.$transaction(
    async (tx) => {
      // Locks the superusers: of two deleted at once, each would see the other as the one who stays.
      await tx.user.updateMany({ where: { isSuperuser: true }, data: { isSuperuser: true } });
      return tx.$executeRaw`
      DELETE FROM users WHERE id = ${userId} AND NOT (is_active AND is_superuser AND NOT EXISTS
        (SELECT 1 FROM users AS other WHERE other.is_active AND other.is_superuser AND other.id <> users.id))`;
    },
    { timeout: MAX_DELETION_MS },
  );
  if (count === 0) await prisma.user.findUniqueOrThrow({ where: { id: userId } });
  return count === 1;
}
