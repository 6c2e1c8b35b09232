import { hash } from 'node:crypto';

/** 160 bits in hex, the form of Django REST Framework's authtoken. */
export const API_TOKEN = /^[0-9a-f]{40}$/;

/** What the database keeps of a key: its SHA-256 in hex. A key has 160 random bits, so it needs no salt. */
export function digestApiToken(key: string): string {
  return hash('sha256', key);
}
