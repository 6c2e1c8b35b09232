import assert from 'node:assert/strict';
import { createPublicKey, type JsonWebKey, verify } from 'node:crypto';
import { after, test } from 'node:test';
import { addUser, build, logIn, temporaryDirectory } from '../helper.ts';
import { ALGORITHMS, headerOf, type KeyFile, makeKeyFile } from '../plugins/helper-jwt-keys.ts';

const PATH = '/.well-known/jwks.json';

test('where a secret signs there is no public key', async (t) => {
  const service = await build(t);
  for (const path of [PATH, `${PATH}/`]) {
    const answer = await service.send('GET', path, { authorization: 'Token x' });
    assert.deepEqual([answer.status, answer.body], [200, { keys: [] }]);
    assert.equal(answer.headers['cache-control'], 'public, max-age=300');
  }
  assert.equal((await service.send('HEAD', PATH)).status, 200);
  assert.equal((await service.send('POST', PATH, { json: {} })).status, 405);
});

// Once for all tests, as RSA is dear to make.
const directory = temporaryDirectory({ after });
const files = ALGORITHMS.map((algorithm) => makeKeyFile(directory, algorithm));
const former = makeKeyFile(directory, 'RS256');

test('all public keys are published, and nothing else of the keys', async (t) => {
  const service = await build(t, {
    JWT_KEY_FILES: [...files.map(({ path }) => path), former.publicPath].join(),
    SECRET_KEY_FALLBACKS: 'a former secret of more than thirty-two bytes',
  });
  const answer = await service.send('GET', PATH);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(answer.headers['cache-control'], 'public, max-age=300');
  assert.deepEqual(
    answer.body.keys,
    [...files, former].map(({ publicKey, kid, algorithm }) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid,
      alg: algorithm,
      use: 'sig',
    })),
  );
});

for (const algorithm of ALGORITHMS) {
  test(`by what is published another service can verify the JWTs by ${algorithm}`, async (t) => {
    const first = files.find((file) => file.algorithm === algorithm) as KeyFile;
    const other = algorithm === 'RS256' ? former : makeKeyFile(directory, algorithm);
    const service = await build(t, { JWT_KEY_FILES: [first.path, other.path].join() });
    await addUser(service, 'paul');
    const { access } = await logIn(service, 'paul');
    const { alg, kid } = headerOf(access) as { alg: string; kid: string };
    const { keys } = (await service.send('GET', PATH)).body as { keys: (JsonWebKey & { kid: string; alg: string })[] };
    const [jwk, ...others] = keys.filter((key) => key.kid === kid && key.alg === alg);
    assert.equal(others.length, 0);
    const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    const [signed, signature = ''] = [access.slice(0, access.lastIndexOf('.')), access.split('.')[2]];
    const hash = algorithm === 'EdDSA' ? null : 'sha256';
    const options = { key, dsaEncoding: 'ieee-p1363' as const };
    assert.ok(verify(hash, Buffer.from(signed), options, Buffer.from(signature, 'base64url')));
  });
}
