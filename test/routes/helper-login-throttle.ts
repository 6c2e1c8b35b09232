import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type Answer, addUser, build, type TestApp } from '../helper.ts';

/** Both logins, with the status of refused credentials. */
export const LOGINS = [
  ['/api/token', 400],
  ['/api/jwt/token/', 401],
] as const;

export const on = { LOGIN_THROTTLE: 'on', LOGIN_FAILURES_PER_USER: '3' };
export const behindProxy = { ...on, TRUST_PROXY: '127.0.0.1' };

export interface Attempt {
  username?: string;
  password?: string;
  path?: string;
  /** the address, where a proxy before the service tells it */
  from?: string;
}

export interface Service extends Pick<TestApp, 'send'> {
  /** the user of a test where it shares the app with others */
  username?: string;
}

export function attempt(
  service: Service,
  { username = service.username ?? 'paul', password = 'wrong', path = '/api/token', from }: Attempt = {},
) {
  const headers = from === undefined ? {} : { 'x-forwarded-for': from };
  return service.send('POST', path, { json: { username, password }, headers });
}

export async function failThrice(service: Service, options: Attempt = {}) {
  for (const [path, status] of [...LOGINS, LOGINS[0]]) {
    assert.equal((await attempt(service, { ...options, path })).status, status);
  }
}

export function assertThrottled({ status, headers, text }: Answer) {
  assert.equal(status, 429, text);
  const seconds = Number(headers['retry-after']);
  assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 900, headers['retry-after']);
  const unit = seconds === 1 ? 'second' : 'seconds';
  assert.equal(text, `{"detail":"Request was throttled. Expected available in ${seconds} ${unit}."}`);
  assert.equal(headers['cache-control'], 'no-store');
}

/** The app with the user paul. */
export async function buildWithUser(t: TestContext, settings: Record<string, string> = on): Promise<TestApp> {
  const service = await build(t, settings);
  await addUser(service, 'paul');
  return service;
}
