import { createPrivateKey, createPublicKey, hash, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Config, ConfigError } from './config.ts';
import type { JwtKey, PublicJwk } from './jwt-codec.ts';

/**
 * The keys of the JWTs: the first signs, all verify. Where there are key files, SECRET_KEY is not among them.
 * @throws {ConfigError} naming the file that holds no such key, and why
 */
export function loadJwtKeys(config: Config & { SECRET_KEY: string }): [JwtKey, ...JwtKey[]] {
  const { JWT_KEY_FILES: paths, SECRET_KEY_FALLBACKS: fallbacks, SECRET_KEY } = config;
  // An error names the path, so a key that was given in place of one must not get that far.
  if (paths.some((path) => PEM.test(path) || PEM_IN_BASE64.test(path))) {
    throw new ConfigError('JWT_KEY_FILES takes the paths of key files, not the keys themselves');
  }
  const pairs = paths.map(readKeyFile);
  const kids = pairs.map(({ jwk }) => jwk?.kid);
  const twin = kids.findIndex((kid, index) => kids.indexOf(kid) < index);
  if (twin !== -1) throw refusal(paths[twin], 'holds the same key as a file before it');
  const [first = toSecret(SECRET_KEY), ...others] = pairs;
  return [first, ...others, ...fallbacks.map(toSecret)];
}

/** The `kid` of a public key: its thumbprint (RFC 7638). */
export function thumbprintOf(key: KeyObject): string {
  // What Node exports are just the required members, which RFC 7638 takes in the order of their names.
  const members = Object.entries(key.export({ format: 'jwk' })).sort(([a], [b]) => (a < b ? -1 : 1));
  return hash('sha256', JSON.stringify(Object.fromEntries(members)), 'base64url');
}

const PEM = /-----BEGIN /;
const PEM_IN_BASE64 = /LS0tLS1CRUdJTi/;
const PRIVATE_PEM = /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/;
const ENCRYPTED_PEM = /^(-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED)/m;

function toSecret(secret: string): JwtKey {
  return { algorithm: 'HS256', secret };
}

function readKeyFile(path: string, index: number): JwtKey {
  const pem = readPem(path);
  const isPrivate = PRIVATE_PEM.test(pem);
  if (!isPrivate && index === 0) throw refusal(path, 'holds no private key, and the first key signs');
  const key = parse(path, pem, isPrivate ? createPrivateKey : createPublicKey);
  const algorithm = algorithmOf(path, key);
  const publicKey = isPrivate ? createPublicKey(key) : key;
  const secret = {
    public: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    ...(isPrivate && { private: key.export({ type: 'pkcs8', format: 'pem' }) as string }),
  };
  const members = publicKey.export({ format: 'jwk' }) as Pick<PublicJwk, 'kty'>;
  return { algorithm, secret, jwk: { ...members, kid: thumbprintOf(publicKey), alg: algorithm, use: 'sig' } };
}

function readPem(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    throw refusal(path, `cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (!PEM.test(pem)) throw refusal(path, 'is no PEM file');
  if (ENCRYPTED_PEM.test(pem)) throw refusal(path, 'is encrypted; the service asks for no passphrase');
  return pem;
}

function parse(path: string, pem: string, create: (pem: string) => KeyObject): KeyObject {
  try {
    return create(pem);
  } catch {
    throw refusal(path, 'holds no key that can be read');
  }
}

/** The algorithm is the key's own, and never what a token says. */
function algorithmOf(path: string, { asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject) {
  if (type === 'ed25519') return 'EdDSA';
  if (type === 'ec') {
    if (details?.namedCurve === 'prime256v1') return 'ES256';
    throw refusal(path, `holds an EC key of the curve ${details?.namedCurve}; only P-256 is taken`);
  }
  if (type === 'rsa') {
    // RFC 7518, 3.3
    if (Number(details?.modulusLength) >= 2048) return 'RS256';
    throw refusal(path, `holds an RSA key of ${details?.modulusLength} bits; 2048 is the least`);
  }
  throw refusal(path, `holds a key of the type ${type}; only RSA, EC (P-256) and Ed25519 are taken`);
}

function refusal(path: string | undefined, reason: string): ConfigError {
  return new ConfigError(`JWT_KEY_FILES: ${path} ${reason}`);
}
