import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import pLimit from 'p-limit';
import { Unavailable } from './errors.ts';
import type { Question } from './password-strength.ts';

const MIN_LENGTH = 8;
const MIN_SCORE = 3;

// The judge takes a thread and 100 MB, and to load it takes ten times as long as a judgement: it is kept for
// those who ask in the next moments.
const limit = pLimit(1);
const MAX_WAITING = 20;
const KEPT_MS = 10_000;

/** Who the password is for; it must not be made of this. */
export interface Person {
  username: string;
  email: string;
}

/**
 * Why a new password is not taken, in sentences; none where it is.
 * @throws {Unavailable} where too many wait to be judged
 */
export async function findPasswordFaults(password: string, person: Person): Promise<string[]> {
  const faults: string[] = [];
  if ([...password].length < MIN_LENGTH) {
    faults.push(`This password is too short. It must contain at least ${MIN_LENGTH} characters.`);
  }
  if (/^\p{Nd}+$/u.test(password)) faults.push('This password is entirely numeric.');
  if (resembles(password, person.username)) faults.push('The password is too similar to the username.');
  if (resembles(password, person.email)) faults.push('The password is too similar to the email address.');
  if (faults.length > 0) return faults;
  if (limit.pendingCount >= MAX_WAITING) throw new Unavailable();
  if ((await limit(scoreInWorker, password, person)) < MIN_SCORE) {
    faults.push('This password is too easy to guess.');
  }
  return faults;
}

/** Whether one of the two, or one of the parts of `own`, is most of the other. */
function resembles(password: string, own: string): boolean {
  const secret = fold(password);
  if (secret.length < 3) return false;
  return [own, ...own.split(/[^\p{L}\p{N}]+/u)]
    .map(fold)
    .filter((part) => part.length >= 3)
    .some((part) => part.includes(secret) || (part.length * 2 >= secret.length && secret.includes(part)));
}

function fold(text: string): string {
  // To normalise takes quadratic time, and an own word that is as long is none.
  return text.slice(0, 1000).normalize('NFKC').toLowerCase();
}

interface Judge {
  worker: Worker;
  /** when the worker is no more */
  ended: AbortSignal;
}

let judge: Judge | undefined;
let dismissal: NodeJS.Timeout | undefined;

/** The worker and its dictionaries are loaded on use, and gone where it is not used for a while. */
async function scoreInWorker(password: string, { username, email }: Person): Promise<number> {
  clearTimeout(dismissal);
  judge ??= employ();
  const { worker, ended } = judge;
  worker.ref();
  try {
    worker.postMessage({ password, inputs: [username, ...email.split('@'), 'todo'] } satisfies Question);
    const [score] = await once(worker, 'message', { signal: ended });
    return score;
  } finally {
    worker.unref();
    dismissal = setTimeout(dismiss, KEPT_MS).unref();
  }
}

function employ(): Judge {
  const worker = new Worker(new URL(`./password-strength${extname(import.meta.url)}`, import.meta.url));
  const end = new AbortController();
  // Who waits for an answer is told of an error itself.
  worker.on('error', () => {});
  worker.on('exit', (code) => {
    if (judge?.worker === worker) judge = undefined;
    end.abort(new Error(`the worker that judges passwords ended with ${code}`));
  });
  return { worker, ended: end.signal };
}

function dismiss(): void {
  judge?.worker.terminate();
  judge = undefined;
}
