import assert from 'node:assert/strict';
import { createHash, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { ConfigError } from '../../src/config.ts';
import { JwtInvalid } from '../../src/errors.ts';
import { type JwtKey, verifyByKeys } from '../../src/jwt-codec.ts';
import { loadJwtKeys, thumbprintOf } from '../../src/jwt-keys.ts';
import { configure, SECRET_KEY, temporaryDirectory } from '../helper.ts';
import { makeKeyFile } from '../plugins/helper-jwt-keys.ts';
import { call } from './helper.ts';

const FORMER = ['one', 'two'].map((name) => `former secret ${name} of more than thirty-two bytes`);

function load(paths: string[] = [], fallbacks: string[] = []): JwtKey[] {
  const settings = { JWT_KEY_FILES: paths.join(), SECRET_KEY_FALLBACKS: fallbacks.join() };
  return loadJwtKeys({ ...configure(settings), SECRET_KEY });
}

const privatePem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1' = 'pkcs8') =>
  key.export({ type, format: 'pem' }) as string;
const publicPem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }) as string;

// Once for all tests, as RSA is dear to make.
const common = temporaryDirectory({ after });
const [rsa, ec, ed] = [makeKeyFile(common, 'RS256'), makeKeyFile(common, 'ES256'), makeKeyFile(common, 'EdDSA')];
const files = [rsa, ec, ed];
const EC_PARAMETERS = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';

test('without key files the secret signs, and the former ones verify', () => {
  assert.deepEqual(load(), [{ algorithm: 'HS256', secret: SECRET_KEY }]);
  assert.deepEqual(
    load([], FORMER),
    [SECRET_KEY, ...FORMER].map((secret) => ({ algorithm: 'HS256', secret })),
  );
});

test('with key files the first signs, all verify, and of the secrets the former ones alone', () => {
  for (const order of [files, files.toReversed()]) {
    const keys = load(
      order.map(({ path }) => path),
      FORMER,
    );
    assert.deepEqual(
      keys.map(({ algorithm, jwk }) => ({ algorithm, kid: jwk?.kid })),
      [
        ...order.map(({ algorithm, kid }) => ({ algorithm, kid })),
        ...FORMER.map(() => ({ algorithm: 'HS256', kid: undefined })),
      ],
    );
    assert.deepEqual(
      keys.slice(3).map(({ secret }) => secret),
      FORMER,
    );
  }
});

suite('a key file may hold', () => {
  const forms: [what: string, pem: string, algorithm: string][] = [
    ['RSA in PKCS#8', privatePem(rsa.privateKey), 'RS256'],
    ['RSA in PKCS#1', privatePem(rsa.privateKey, 'pkcs1'), 'RS256'],
    ['EC in PKCS#8', privatePem(ec.privateKey), 'ES256'],
    ['EC in SEC1', privatePem(ec.privateKey, 'sec1'), 'ES256'],
    [
      'EC after its parameters, as openssl ecparam writes it',
      EC_PARAMETERS + privatePem(ec.privateKey, 'sec1'),
      'ES256',
    ],
    ['Ed25519', privatePem(ed.privateKey), 'EdDSA'],
    ['CRLF', privatePem(ed.privateKey).replaceAll('\n', '\r\n'), 'EdDSA'],
    ['text before the key', `Key of 2027\n${privatePem(ed.privateKey)}`, 'EdDSA'],
    ['both halves', privatePem(ed.privateKey) + publicPem(ed.publicKey), 'EdDSA'],
    ['both halves of two keys: the private one counts', publicPem(ec.publicKey) + privatePem(ed.privateKey), 'EdDSA'],
  ];
  for (const [what, pem, algorithm] of forms) {
    test(what, (t) => {
      const path = join(temporaryDirectory(t), 'key.pem');
      writeFileSync(path, pem);
      const [key, ...others] = load([path]);
      const { publicKey, privateKey } = { RS256: rsa, ES256: ec, EdDSA: ed }[algorithm] as typeof rsa;
      assert.equal(others.length, 0);
      assert.deepEqual(key, {
        algorithm,
        secret: { public: publicPem(publicKey), private: privatePem(privateKey) },
        jwk: { ...publicKey.export({ format: 'jwk' }), kid: thumbprintOf(publicKey), alg: algorithm, use: 'sig' },
      });
    });
  }

  test('a public key alone, where it is not the first', () => {
    const [, key] = load([ed.path, rsa.publicPath]);
    assert.deepEqual(key?.secret, { public: publicPem(rsa.publicKey) });
    assert.equal(key?.jwk?.kid, rsa.kid);
  });
});

test('a JWK holds what is public of the key, and no more', () => {
  const [rsaKey, ecKey, edKey] = load(files.map(({ path }) => path));
  const common = ['alg', 'kid', 'kty', 'use'];
  assert.deepEqual(Object.keys(rsaKey?.jwk ?? {}).sort(), [...common, 'e', 'n'].sort());
  assert.deepEqual(Object.keys(ecKey?.jwk ?? {}).sort(), [...common, 'crv', 'x', 'y'].sort());
  assert.deepEqual(Object.keys(edKey?.jwk ?? {}).sort(), [...common, 'crv', 'x'].sort());
});

test('a kid is the thumbprint of RFC 7638', () => {
  const thumbprint = (key: JsonWebKey) => thumbprintOf(createPublicKey({ key, format: 'jwk' }));
  // RFC 7638, 3.1
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw';
  assert.equal(thumbprint({ kty: 'RSA', n, e: 'AQAB' }), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
  // RFC 8037, A.3
  const okp = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
  assert.equal(thumbprint(okp), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  const { x, y } = ec.publicKey.export({ format: 'jwk' });
  const members = `{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`;
  assert.equal(thumbprintOf(ec.publicKey), createHash('sha256').update(members).digest('base64url'));
});

suite('refused as a key file, by name and without a word of what is in it', () => {
  const encrypted = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
  const curve = (namedCurve: string) => privatePem(generateKeyPairSync('ec', { namedCurve }).privateKey);
  const firsts: [what: string, content: string | Buffer, reason: string][] = [
    ['an empty file', '', 'is no PEM file'],
    ['a secret', `${'s3cret'.repeat(10)}\n`, 'is no PEM file'],
    ['DER', rsa.privateKey.export({ type: 'pkcs8', format: 'der' }), 'is no PEM file'],
    ['a JWK', JSON.stringify(ed.privateKey.export({ format: 'jwk' })), 'is no PEM file'],
    ['a public key', publicPem(ed.publicKey), 'holds no private key, and the first key signs'],
    [
      'a public key in PKCS#1',
      rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }),
      'holds no private key, and the first key signs',
    ],
    ['parameters alone', EC_PARAMETERS, 'holds no private key, and the first key signs'],
  ];
  const anywhere: [what: string, content: string | Buffer, reason: string][] = [
    ['an encrypted key', ed.privateKey.export(encrypted) as string, 'is encrypted; the service asks for no passphrase'],
    [
      'a key encrypted in the old way',
      rsa.privateKey.export({ ...encrypted, type: 'pkcs1' }) as string,
      'is encrypted; the service asks for no passphrase',
    ],
    [
      'a key cut short',
      `${privatePem(rsa.privateKey).slice(0, 500)}\n-----END PRIVATE KEY-----\n`,
      'holds no key that can be read',
    ],
    [
      'a key without its end',
      privatePem(ed.privateKey).split('-----END')[0] as string,
      'holds no key that can be read',
    ],
    ['a key of zeros', pem('PRIVATE KEY', 'A'.repeat(64)), 'holds no key that can be read'],
    ['a key for SSH', pem('OPENSSH PRIVATE KEY', 'b3BlbnNzaC1rZXktdjEA'), 'holds no key that can be read'],
    [
      'RSA of 1024 bits',
      privatePem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
      'holds an RSA key of 1024 bits; 2048 is the least',
    ],
    [
      'RSA of 2047 bits',
      privatePem(generateKeyPairSync('rsa', { modulusLength: 2047 }).privateKey),
      'holds an RSA key of 2047 bits; 2048 is the least',
    ],
    ['P-384', curve('P-384'), 'holds an EC key of the curve secp384r1; only P-256 is taken'],
    ['secp256k1', curve('secp256k1'), 'holds an EC key of the curve secp256k1; only P-256 is taken'],
    ...(['ed448', 'x25519'] as const).map((type): [string, string, string] => [
      type,
      privatePem(generateKeyPairSync(type as 'ed448').privateKey),
      `holds a key of the type ${type}; only RSA, EC (P-256) and Ed25519 are taken`,
    ]),
    [
      'RSA that is bound to PSS',
      privatePem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey),
      'holds a key of the type rsa-pss; only RSA, EC (P-256) and Ed25519 are taken',
    ],
  ];
  const cases = [
    ...[...firsts, ...anywhere].map((row) => [...row, 'first'] as const),
    ...anywhere.map((row) => [...row, 'second'] as const),
  ];
  for (const [what, content, reason, place] of cases) {
    test(`${what}, as the ${place}`, (t) => {
      const directory = temporaryDirectory(t);
      const path = join(directory, 'wrong.pem');
      writeFileSync(path, content);
      const paths = place === 'first' ? [path] : [makeKeyFile(directory, 'EdDSA').path, path];
      const error = errorOf(() => load(paths));
      assert.ok(error instanceof ConfigError);
      assert.equal(error.message, `JWT_KEY_FILES: ${path} ${reason}`);
    });
  }

  test('what cannot be read', (t) => {
    const directory = temporaryDirectory(t);
    const [missing, folder] = [join(directory, 'missing.pem'), join(directory, 'folder')];
    mkdirSync(folder);
    assert.equal(errorOf(() => load([missing])).message, `JWT_KEY_FILES: ${missing} cannot be read (ENOENT)`);
    assert.equal(errorOf(() => load([folder])).message, `JWT_KEY_FILES: ${folder} cannot be read (EISDIR)`);
  });

  test('a key that is there twice', (t) => {
    const directory = temporaryDirectory(t);
    const [first, second] = [makeKeyFile(directory, 'EdDSA'), makeKeyFile(directory, 'ES256')];
    for (const twin of [second.path, second.publicPath]) {
      assert.equal(
        errorOf(() => load([first.path, second.path, twin])).message,
        `JWT_KEY_FILES: ${twin} holds the same key as a file before it`,
      );
    }
  });

  test('a key in place of its path', () => {
    const { path } = rsa;
    const key = readFileSync(path, 'utf8');
    for (const given of [key, key.replaceAll('\n', '\\n'), Buffer.from(key).toString('base64')]) {
      const error = errorOf(() => load([path, given]));
      assert.ok(error instanceof ConfigError);
      assert.equal(error.message, 'JWT_KEY_FILES takes the paths of key files, not the keys themselves');
    }
  });

  test('the service does not start with it, and says so in a line', async (t) => {
    const directory = temporaryDirectory(t);
    const settings = { JWT_KEY_FILES: 'key.pem', PORT: '0' };
    const { code, stderr } = await call(['serve'], { directory, settings });
    assert.deepEqual([code, stderr], [1, 'todo-api: JWT_KEY_FILES: key.pem cannot be read (ENOENT)\n']);
  });
});

suite('the verifier of a token', () => {
  const answering = (name: string) => () => name;
  const failing = (code: string) => () => {
    throw Object.assign(new Error(code), { code });
  };
  const WRONG_SIGNATURE = failing('FAST_JWT_INVALID_SIGNATURE');
  const secretKey: JwtKey = { algorithm: 'HS256', secret: SECRET_KEY };
  const pairOf = (kid: string): JwtKey => ({
    algorithm: 'EdDSA',
    secret: { public: '' },
    jwk: { kty: 'OKP', kid, alg: 'EdDSA', use: 'sig' },
  });
  const tokenOf = (header: unknown) => `${Buffer.from(JSON.stringify(header)).toString('base64url')}.e30.AA`;

  test('is that of the secret itself, where there is one key', () => {
    const only = answering('only');
    assert.equal(verifyByKeys([secretKey], [only]), only);
  });

  test('is that of the pair which the kid names, and no other', () => {
    const verify = verifyByKeys([pairOf('a'), pairOf('b'), secretKey], ['a', 'b', 'secret'].map(answering));
    const chosen: [unknown, string][] = [
      [{ kid: 'a' }, 'a'],
      [{ kid: 'b', alg: 'HS256' }, 'b'],
      [{}, 'secret'],
      [{ kid: 'c' }, 'secret'],
      [{ kid: ['a'] }, 'secret'],
      [{ kid: null }, 'secret'],
      [{ kid: '__proto__' }, 'secret'],
      [null, 'secret'],
      ['a', 'secret'],
      [5, 'secret'],
    ];
    for (const [header, name] of chosen) assert.equal(verify(tokenOf(header)), name, JSON.stringify(header));
    for (const token of ['', '.', 'a.b.c', 'e30', '{}.{}.']) assert.throws(() => verify(token), SyntaxError, token);
  });

  test('is the next secret only where the signature is not of the one before', () => {
    const keys = [secretKey, secretKey, secretKey];
    assert.equal(verifyByKeys(keys, [WRONG_SIGNATURE, answering('second'), failing('never asked')])(''), 'second');
    assert.equal(verifyByKeys(keys, [WRONG_SIGNATURE, WRONG_SIGNATURE, answering('third')])(''), 'third');
    const expired = [WRONG_SIGNATURE, failing('FAST_JWT_EXPIRED'), answering('never asked')];
    assert.throws(() => verifyByKeys(keys, expired)(''), { code: 'FAST_JWT_EXPIRED' });
    const none = [WRONG_SIGNATURE, WRONG_SIGNATURE, WRONG_SIGNATURE];
    assert.throws(() => verifyByKeys(keys, none)(''), { code: 'FAST_JWT_INVALID_SIGNATURE' });
  });

  test('is nobody, where a token names no pair and there is no secret', () => {
    const verify = verifyByKeys([pairOf('a')], [answering('a')]);
    assert.throws(() => verify(tokenOf({ alg: 'HS256' })), JwtInvalid);
  });

  test('a pair does not have the secrets try what it refuses', () => {
    const verify = verifyByKeys([pairOf('a'), secretKey], [WRONG_SIGNATURE, answering('secret')]);
    assert.throws(() => verify(tokenOf({ kid: 'a' })), { code: 'FAST_JWT_INVALID_SIGNATURE' });
  });
});

function pem(label: string, base64: string): string {
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
}

function errorOf(attempt: () => unknown): Error {
  try {
    attempt();
  } catch (error) {
    return error as Error;
  }
  assert.fail('It should have been refused.');
}
