import { hash } from 'node:crypto';
import type { KeyedAnswer, KeyedRequest } from './database/index.ts';
import { BadIdempotencyKey, IdempotencyKeyInUse, IdempotencyKeyReused } from './errors.ts';

// A String of RFC 9651, as the draft has it; and what clients send who know no quotation marks.
const QUOTED = /^"(?:[ !#-[\]-~]|\\["\\]){1,255}"$/;
const BARE = /^[!#-+\--[\]-~]{1,255}$/;

/**
 * Gives the answer to the first request of an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header),
 * by a write that does its work only where none is kept. Requests are the same where they ask the same
 * operation for the same, as it was understood: neither the body's type nor white space nor a default that is
 * left out makes a difference.
 * @throws {BadIdempotencyKey} {IdempotencyKeyReused} {IdempotencyKeyInUse}
 */
export async function answerOnce(
  header: string,
  operation: string,
  asked: object,
  write: (request: KeyedRequest) => Promise<KeyedAnswer | undefined>,
): Promise<KeyedAnswer> {
  const fingerprint = hash('sha256', `${operation} ${JSON.stringify(asked)}`);
  const kept = await write({ key: readKey(header), fingerprint });
  if (!kept) throw new IdempotencyKeyInUse();
  if (kept.fingerprint !== fingerprint) throw new IdempotencyKeyReused();
  return kept;
}

function readKey(header: string): string {
  if (BARE.test(header)) return header;
  if (QUOTED.test(header)) return header.slice(1, -1).replace(/\\(.)/g, '$1');
  throw new BadIdempotencyKey();
}
