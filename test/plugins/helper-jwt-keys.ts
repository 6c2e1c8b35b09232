import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  type SignKeyObjectInput,
  sign,
} from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { thumbprintOf } from '../../src/jwt-keys.ts';
import { claimsOf, type Forgery } from './helper-jwt.ts';

/** The algorithms of key pairs, and how a key for each is made. */
export const KEY_PAIRS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};
export type Algorithm = keyof typeof KEY_PAIRS;
export const ALGORITHMS = Object.keys(KEY_PAIRS) as Algorithm[];

export interface KeyFile {
  algorithm: Algorithm;
  privateKey: KeyObject;
  publicKey: KeyObject;
  kid: string;
  /** where the private key is, and where the public one */
  path: string;
  publicPath: string;
}

let files = 0;

/** A new key pair with its two halves in files of a directory. */
export function makeKeyFile(directory: string, algorithm: Algorithm): KeyFile {
  const { privateKey, publicKey } = KEY_PAIRS[algorithm]();
  const path = join(directory, `${algorithm}-${++files}.pem`);
  const publicPath = `${path}.pub`;
  writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(publicPath, publicKey.export({ type: 'spki', format: 'pem' }));
  return { algorithm, privateKey, publicKey, kid: thumbprintOf(publicKey), path, publicPath };
}

/** Publishes a key as its owner would, and counts who asks for it; ended after the test. */
export async function publish(t: Pick<TestContext, 'after'>, { publicKey, algorithm, kid }: KeyFile) {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests++;
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  return { url, requests: () => requests };
}

/** The header of a token. */
export function headerOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
}

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

type Signature = (signed: string) => Buffer;

/** A token of any header and payload, text as it stands, and any signature. */
export function assemble(header: unknown, payload: unknown, signature: Signature): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${signature(signed).toString('base64url')}`;
}

/** A token as the service signs it by this key, but for what the header is told to be. */
export function forgeBy({ algorithm, privateKey, kid }: KeyFile, payload: unknown, header: object = {}): string {
  return assemble({ alg: algorithm, typ: 'JWT', kid, ...header }, payload, by(algorithm, privateKey));
}

/** A signature by a secret. */
export function byHmac(secret: string | Buffer, hash = 'sha256'): Signature {
  return (signed) => createHmac(hash, secret).update(signed).digest();
}

function by(algorithm: Algorithm, key: KeyObject, options: Partial<SignKeyObjectInput> = {}, hash = 'sha256') {
  return (signed: string) =>
    sign(algorithm === 'EdDSA' ? null : hash, Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363', ...options });
}

interface Keys {
  /** the one that signs */
  own: KeyFile;
  /** of the same type; the service verifies by it too */
  listed: KeyFile;
  /** of the same type, and nobody's */
  stranger: KeyFile;
  /** a former SECRET_KEY that the service still takes */
  fallback: string;
  /** the present one, which it does not take */
  secretKey: string;
  /** where the stranger publishes its key */
  url: string;
}

/** Tokens that a service with a key pair must not accept, made of a good one of its own. */
export function keyForgeries(good: string, { own, listed, stranger, fallback, secretKey, url }: Keys): Forgery[] {
  const { algorithm, publicKey, privateKey, kid } = own;
  const claims = claimsOf(good);
  const [header = '', payload = '', signature = ''] = good.split('.');
  const now = Math.floor(Date.now() / 1000);
  const bytes = Buffer.from(signature, 'base64url');
  const withSignature = (text: string) => `${header}.${payload}.${text}`;
  const withBytes = (other: Buffer) => withSignature(other.toString('base64url'));
  const hmac = (secret: string | Buffer, names: object = {}, hash = 'sha256') =>
    assemble({ alg: `HS${hash.slice(3)}`, typ: 'JWT', ...names }, claims, byHmac(secret, hash));
  const strangers = stranger.publicKey.export({ format: 'jwk' });

  const tokens: [string, string][] = [
    // What is public of the key, taken for a secret.
    ...publicForms(publicKey).flatMap(([form, secret]): [string, string][] => [
      [`HS256 by the public key: ${form}`, hmac(secret)],
      [`HS256 by the public key under its kid: ${form}`, hmac(secret, { kid })],
      [`HS512 by the public key: ${form}`, hmac(secret, {}, 'sha512')],
      [`${algorithm} in name, HMAC by the public key: ${form}`, hmac(secret, { alg: algorithm, kid })],
    ]),
    ['HS256 by the kid', hmac(kid, { kid })],
    ['HS256 by an empty secret', hmac('', { kid })],
    ['HS256 by the present SECRET_KEY', hmac(secretKey)],
    ['HS256 by the former SECRET_KEY under the kid of a key pair', hmac(fallback, { kid })],
    ['HS512 by the former SECRET_KEY', hmac(fallback, {}, 'sha512')],
    ['another algorithm in name, HMAC by the former SECRET_KEY', hmac(fallback, { alg: algorithm })],

    // No signature, or one by another algorithm.
    ...['none', 'None', 'NONE', 'nOnE', 'nonE', ' none', '', 'null'].flatMap((alg): [string, string][] => [
      [`alg '${alg}' without signature`, `${encode({ alg, typ: 'JWT', kid })}.${payload}.`],
      [`alg '${alg}' without signature and kid`, `${encode({ alg, typ: 'JWT' })}.${payload}.`],
      [`alg '${alg}' with a signature`, forgeBy(own, claims, { alg })],
      [`alg '${alg}' with an HMAC`, hmac(fallback, { alg })],
    ]),
    ['alg left out', forgeBy(own, claims, { alg: undefined })],
    ['alg in another case', forgeBy(own, claims, { alg: algorithm.toLowerCase() })],
    ['alg an array', forgeBy(own, claims, { alg: [algorithm] })],
    ['alg twice, the last none', `${encode(`{"alg":"${algorithm}","kid":"${kid}","alg":"none"}`)}.${payload}.`],
    ...['HS256', 'RS256', 'RS384', 'PS256', 'ES256', 'ES384', 'ES256K', 'EdDSA', 'Ed25519']
      .filter((alg) => alg !== algorithm)
      .map((alg): [string, string] => [`${alg} in name, ${algorithm} in truth`, forgeBy(own, claims, { alg })]),
    ...otherwiseSigned(own).map(([alg, by]): [string, string] => [
      `${alg}, by the right key`,
      assemble({ alg, typ: 'JWT', kid }, claims, by),
    ]),

    // A kid that names another key, or none.
    ['the kid of another key of the service', forgeBy(own, claims, { kid: listed.kid })],
    ["another key of the service under this one's kid", forgeBy(listed, claims, { kid })],
    ["a stranger's key under its own kid", forgeBy(stranger, claims)],
    ["a stranger's key under the kid of the service", forgeBy(stranger, claims, { kid })],
    ["a stranger's key without kid", forgeBy(stranger, claims, { kid: undefined })],
    ...Object.entries({
      'left out': undefined,
      empty: '',
      'of another case': kid.toLowerCase() === kid ? kid.toUpperCase() : kid.toLowerCase(),
      'cut short': kid.slice(0, -1),
      'with a space': ` ${kid}`,
      'with NUL': `${kid}\0`,
      'a path': '../../../../dev/null',
      'the path of the key': own.path,
      'a URL': url,
      SQL: "' UNION SELECT 'secret' --",
      'a command': '$(id)|id',
      'a name of every object': '__proto__',
      'another name of every object': 'constructor',
      'the index of the key': '0',
      null: null,
      'a number': 0,
      'a boolean': true,
      'an array': [kid],
      'an object': { kid, toString: kid },
      huge: 'k'.repeat(6000),
    }).flatMap(([what, kid]): [string, string][] => [
      [`a kid ${what}, by the right key`, forgeBy(own, claims, { kid })],
      [`a kid ${what}, by an empty secret`, hmac('', { kid })],
    ]),

    // A key that the token brings along.
    ...Object.entries<object>({
      jwk: { jwk: strangers },
      'jwk with the kid of the service': { jwk: { ...strangers, kid }, kid },
      jku: { jku: url },
      'jku with the kid of the service': { jku: url, kid },
      x5u: { x5u: url },
      'x5u with the kid of the service': { x5u: url, kid },
      x5c: { x5c: [stranger.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')], kid },
      'critical jku': { jku: url, crit: ['jku'], kid },
      'a jwk of a secret': { jwk: { kty: 'oct', k: 'AAAA' } },
    }).flatMap(([what, names]): [string, string][] => [
      [`a ${what} of its own`, forgeBy(stranger, claims, names)],
      [`a ${what} of its own, and HS256`, hmac('\0\0\0', names)],
    ]),
    ['an unknown extension that is critical', forgeBy(own, claims, { crit: ['x'], x: 1 })],

    // Signatures.
    ['no signature', withSignature('')],
    ['a signature cut by a byte', withBytes(bytes.subarray(0, -1))],
    ['a signature cut by half', withBytes(bytes.subarray(0, bytes.length / 2))],
    ['a signature without its first byte', withBytes(bytes.subarray(1))],
    ['padding', withSignature(`${signature}=`)],
    ['two characters of padding', withSignature(`${signature}==`)],
    ['bytes after the signature', withSignature(`${signature}AAAA`)],
    ['a NUL byte after the signature', withBytes(Buffer.concat([bytes, Buffer.alloc(1)]))],
    ['a NUL byte before the signature', withBytes(Buffer.concat([Buffer.alloc(1), bytes]))],
    ['the signature twice', withBytes(Buffer.concat([bytes, bytes]))],
    ['a fourth part', `${good}.${signature}`],
    ['the signature in hex', withSignature(bytes.toString('hex'))],
    ['zeros', withBytes(Buffer.alloc(bytes.length))],
    ['ones', withBytes(Buffer.alloc(bytes.length, 1))],
    ['a bit changed', withBytes(Buffer.concat([Buffer.from([(bytes[0] as number) ^ 1]), bytes.subarray(1)]))],
    ['the signature of another token', withSignature(forgeBy(own, { ...claims, jti: 'x' }).split('.')[2] as string)],
    ...brokenPairs(own, `${header}.${payload}`, bytes).map(([what, other]): [string, string] => [
      what,
      withBytes(other),
    ]),

    // Claims that were changed, or do not hold.
    ['the payload of another', `${header}.${encode({ ...claims, user_id: claims.user_id + 1 })}.${signature}`],
    ['a claim given twice', `${header}.${encode(`{"exp":1e15,${JSON.stringify(claims).slice(1)}`)}.${signature}`],
    ['the header of another', `${encode({ typ: 'JWT', alg: algorithm, kid })}.${payload}.${signature}`],
    ['expired', forgeBy(own, { ...claims, exp: now - 1, iat: now - 301 })],
    ['expired, by another key of the service', forgeBy(listed, { ...claims, exp: now - 1, iat: now - 301 })],
    ['expired, by the former SECRET_KEY', assemble({ alg: 'HS256' }, { ...claims, exp: now - 1 }, byHmac(fallback))],
    ['exp a string', forgeBy(own, { ...claims, exp: String(claims.exp) })],
    ['no exp', forgeBy(own, { ...claims, exp: undefined })],
    ['iat in the future', forgeBy(own, { ...claims, iat: now + 3600 })],
    ['nbf in the future', forgeBy(own, { ...claims, nbf: now + 3600 })],

    // What is no token.
    ['a header that is an array', assemble([{ alg: algorithm, kid }], claims, by(algorithm, privateKey))],
    ['a header that is null', assemble(null, claims, by(algorithm, privateKey))],
    ['a header that is text', assemble('"x"', claims, by(algorithm, privateKey))],
    ['a header that is no JSON', assemble('{', claims, by(algorithm, privateKey))],
    ['no header', `.${payload}.${signature}`],
    ['claims in an array', forgeBy(own, [claims])],
    ['claims null', forgeBy(own, null)],
    ['the key itself', encode(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string).slice(0, 4000)],
  ];
  return tokens.map(([what, token]) => ({ what, token }));
}

/** Everything that somebody may hold for the secret of HS256 where they know the public key. */
function publicForms(key: KeyObject): [string, string | Buffer][] {
  const pem = key.export({ type: 'spki', format: 'pem' }) as string;
  const der = key.export({ type: 'spki', format: 'der' });
  const jwk: JsonWebKey = key.export({ format: 'jwk' });
  const published = { ...jwk, kid: thumbprintOf(key), use: 'sig' };
  return [
    ['PEM', pem],
    ['PEM without its last line end', pem.trimEnd()],
    ['PEM with other line ends', pem.replaceAll('\n', '\r\n')],
    ['PEM in one line', pem.replaceAll('\n', '')],
    ['DER', der],
    ['DER in base64', der.toString('base64')],
    ['JWK', JSON.stringify(jwk)],
    ['JWK as published', JSON.stringify(published)],
    ['JWKS', JSON.stringify({ keys: [published] })],
    ['its longest member', Buffer.from(jwk.n ?? jwk.x ?? '', 'base64url')],
    ...(key.asymmetricKeyType === 'rsa'
      ? ([['PKCS#1 PEM', createPublicKey(pem).export({ type: 'pkcs1', format: 'pem' })]] as [string, string][])
      : []),
  ];
}

/** Good signatures of the right key, by an algorithm that the service does not take. */
function otherwiseSigned({ algorithm, privateKey }: KeyFile): [string, Signature][] {
  if (algorithm === 'RS256') {
    return [
      ['RS384', by(algorithm, privateKey, {}, 'sha384')],
      ['RS512', by(algorithm, privateKey, {}, 'sha512')],
      // 6 is RSA_PKCS1_PSS_PADDING, -1 a salt as long as the digest.
      ['PS256', by(algorithm, privateKey, { padding: 6, saltLength: -1 })],
      ['RS256 by PSS', by(algorithm, privateKey, { padding: 6, saltLength: -1 })],
      ['RS1', by(algorithm, privateKey, {}, 'sha1')],
    ];
  }
  return algorithm === 'ES256' ? [['ES512', by(algorithm, privateKey, {}, 'sha512')]] : [];
}

/** Forms of an ECDSA signature that are not the raw pair of RFC 7518, 3.4, or are no signature. */
function brokenPairs({ algorithm, privateKey }: KeyFile, signed: string, bytes: Buffer): [string, Buffer][] {
  if (algorithm !== 'ES256') return [];
  const [r, s] = [bytes.subarray(0, 32), bytes.subarray(32)];
  const zero = Buffer.alloc(32);
  const one = Buffer.from(zero).fill(1, 31);
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  return [
    ['DER instead of the raw pair', by(algorithm, privateKey, { dsaEncoding: 'der' })(signed)],
    ['the pair turned', Buffer.concat([s, r])],
    ['r of zero', Buffer.concat([zero, s])],
    ['s of zero', Buffer.concat([r, zero])],
    ["r and s of the curve's order", Buffer.concat([order, order])],
    ["r of the curve's order, s of one", Buffer.concat([order, one])],
  ];
}
