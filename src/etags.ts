import { hash } from 'node:crypto';

/** The strong entity tag (RFC 9110, 8.8.3) of a text: equal for equal texts alone. */
export function etagOf(text: string): string {
  return `"${hash('sha256', text, 'base64url')}"`;
}

/** Whether a client has an answer already, by its `If-None-Match` (RFC 9110, 13.1.2). */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  return (
    ifNoneMatch !== undefined && tagsOf(ifNoneMatch).some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag)
  );
}

/** Whether a thing is as a client expects it, by its `If-Match` (RFC 9110, 13.1.1), which no weak tag meets. */
export function isExpected(ifMatch: string, etag: string): boolean {
  return tagsOf(ifMatch).some((tag) => tag === '*' || tag === etag);
}

function tagsOf(header: string): string[] {
  return header.split(',').map((tag) => tag.trim());
}
