import { createHmac } from 'node:crypto';
import type { Claims } from '../../src/jwt-codec.ts';
import { SECRET_KEY } from '../helper.ts';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The claims of a token, whatever its signature. */
export function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

/** Signs any header and claims by HMAC; by default as this service does. */
export function forge(
  claims: unknown,
  { header = {}, secret = SECRET_KEY, hash = 'sha256' }: { header?: object; secret?: string; hash?: string } = {},
): string {
  const signed = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode(claims)}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
}

export interface Forgery {
  what: string;
  token: string;
}

/** Tokens that no part of the service may accept, made of a good one, of either type. */
export function forgeries(good: string): Forgery[] {
  const claims = claimsOf(good);
  const now = Math.floor(Date.now() / 1000);
  const [header = '', payload = '', signature = ''] = good.split('.');
  const without = (name: keyof Claims) => Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
  const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
  const tokens: [string, string][] = [
    ['garbage', 'garbage'],
    ['two dots', '..'],
    ['garbage with two dots', 'a.b.c'],
    ['base64 that holds no JSON', 'AAAA.BBBB.CCCC'],
    ['two segments', `${header}.${payload}`],
    ['four segments', `${good}.abc`],
    ['no signature', `${header}.${payload}.`],
    ['a signature cut short', good.slice(0, -4)],
    ['a signature with a byte changed', `${header}.${payload}.${flipped}`],
    ['bytes after the signature', `${good}AAAA`],
    ['padding after the signature', `${good}=`],
    ['the payload of another', `${header}.${encode({ ...claims, user_id: claims.user_id + 1 })}.${signature}`],
    ['another secret', forge(claims, { secret: 'another secret of more than thirty-two bytes' })],
    ['an empty secret', forge(claims, { secret: '' })],
    ...['none', 'None', 'NONE', 'nOnE'].flatMap((alg): [string, string][] => [
      [`alg ${alg} without signature`, `${encode({ alg, typ: 'JWT' })}.${payload}.`],
      [`alg ${alg} with a signature`, forge(claims, { header: { alg } })],
    ]),
    ['alg RS256 signed by HMAC', forge(claims, { header: { alg: 'RS256' } })],
    ['alg ES256 signed by HMAC', forge(claims, { header: { alg: 'ES256' } })],
    ['alg EdDSA signed by HMAC', forge(claims, { header: { alg: 'EdDSA' } })],
    ['alg HS384', forge(claims, { header: { alg: 'HS384' }, hash: 'sha384' })],
    ['alg HS512', forge(claims, { header: { alg: 'HS512' }, hash: 'sha512' })],
    ['alg hs256', forge(claims, { header: { alg: 'hs256' } })],
    ['no alg', forge(claims, { header: { alg: undefined } })],
    ['alg null', forge(claims, { header: { alg: null } })],
    ['alg an array', forge(claims, { header: { alg: ['HS256'] } })],
    ['a kid and its own key', forge(claims, { header: { kid: '/dev/null' }, secret: '' })],
    ['a jwk of its own', forge(claims, { header: { jwk: { kty: 'oct', k: 'AAAA' } }, secret: '\0\0\0' })],
    ['a jku of its own', forge(claims, { header: { jku: 'http://127.0.0.1:9/keys' }, secret: 'its own' })],
    ['expired', forge({ ...claims, exp: now - 1, iat: now - 301 })],
    ['expired by a fraction', forge({ ...claims, exp: now - 0.5 })],
    ['exp 0', forge({ ...claims, exp: 0 })],
    ['exp negative', forge({ ...claims, exp: -claims.exp })],
    ['exp a string', forge({ ...claims, exp: String(claims.exp) })],
    ['exp null', forge({ ...claims, exp: null })],
    ['exp true', forge({ ...claims, exp: true })],
    ['exp an array', forge({ ...claims, exp: [claims.exp] })],
    ['no exp', forge(without('exp'))],
    ['no jti', forge(without('jti'))],
    ['jti a number', forge({ ...claims, jti: 5 })],
    ['no user_id', forge(without('user_id'))],
    ['user_id a string', forge({ ...claims, user_id: String(claims.user_id) })],
    ['user_id a fraction', forge({ ...claims, user_id: claims.user_id + 0.5 })],
    ['user_id an array', forge({ ...claims, user_id: [claims.user_id] })],
    ['user_id null', forge({ ...claims, user_id: null })],
    ['no sid', forge(without('sid'))],
    ['sid null', forge({ ...claims, sid: null })],
    ['sid an object', forge({ ...claims, sid: { contains: '' } })],
    ['iat in the future', forge({ ...claims, iat: now + 3600 })],
    ['nbf in the future', forge({ ...claims, nbf: now + 3600 })],
    ['claims an array', forge([claims])],
    ['claims a string', forge('claims')],
    ['claims null', forge(null)],
  ];
  return tokens.map(([what, token]) => ({ what, token }));
}
