import { hash } from 'node:crypto';
import { PreconditionFailed } from './errors.ts';

/** The preconditions of a request, as its headers. */
export interface Preconditions {
  'if-match'?: string | undefined;
  'if-none-match'?: string | undefined;
}

/** The strong entity tag (RFC 9110, 8.8.3) of a text: equal for equal texts alone. */
export function etagOf(text: string): string {
  return `"${hash('sha256', text, 'base64url')}"`;
}

/**
 * Whether a client that reads a thing has it already, by its `If-None-Match` (RFC 9110, 13.1.2).
 * @throws {PreconditionFailed} where it is not as `If-Match` expects it, which is asked first (13.2.2)
 */
export function isKnown(preconditions: Preconditions, etag: string): boolean {
  if (!isMatched(preconditions, etag)) throw new PreconditionFailed();
  return isNamed(preconditions, etag);
}

/** Whether a thing is as a client that changes it expects it (RFC 9110, 13.1.1 and 13.1.2). */
export function isExpected(preconditions: Preconditions, etag: string): boolean {
  return isMatched(preconditions, etag) && !isNamed(preconditions, etag);
}

/** `If-Match` compares strongly: no weak tag meets it. */
function isMatched({ 'if-match': header }: Preconditions, etag: string): boolean {
  return header === undefined || isAny(header) || tagsOf(header).includes(etag);
}

/** `If-None-Match` compares weakly. */
function isNamed({ 'if-none-match': header }: Preconditions, etag: string): boolean {
  return header !== undefined && (isAny(header) || tagsOf(header).some((tag) => tag.replace(/^W\//, '') === etag));
}

/** Whether a header says `*`, which stands alone. */
export function isAny(header: string): boolean {
  return header.trim() === '*';
}

const TAG = /(?:W\/)?"[!#-~\x80-\xff]*"/g;

function tagsOf(header: string): string[] {
  return header.match(TAG) ?? [];
}
