import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { serveMetrics } from '../../src/metrics.ts';
import { makeDatabase, send, temporaryDirectory } from '../helper.ts';
import { call, startServer } from './helper.ts';

/** The value of a sample. */
function sampleOf(text: string, sample: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
  return Number(line?.slice(sample.length));
}

const HEALTH = 'http_request_duration_seconds_count{method="GET",route="/healthz",status="200"}';

test('metrics are served on their port alone, and nothing else there', async (t) => {
  const settings = { ...(await makeDatabase(t)), METRICS_PORT: '0' };
  const server = await startServer(t, { directory: temporaryDirectory(t), settings });
  const [, metrics = ''] = /Metrics: (http:\/\/127\.0\.0\.1:\d+)\/metrics/.exec(server.log()) ?? [];
  for (let i = 0; i < 3; i++) await send(server.origin, 'GET', '/healthz');
  const answer = await send(metrics, 'GET', '/metrics');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(sampleOf(answer.text, HEALTH), 3);
  assert.ok(sampleOf(answer.text, 'process_resident_memory_bytes') > 1e6);
  assert.equal((await send(server.origin, 'GET', '/metrics')).status, 404);
  assert.equal((await send(metrics, 'GET', '/healthz')).status, 404);
  const { status, headers } = await send(metrics, 'POST', '/metrics');
  assert.deepEqual([status, headers.allow], [405, 'GET, HEAD']);
  assert.equal((await send(metrics, 'HEAD', '/metrics')).text, '');
  const exit = once(server.child, 'exit');
  server.child.kill('SIGTERM');
  assert.deepEqual(await exit, [0, null]);
  await assert.rejects(send(metrics, 'GET', '/metrics'), { code: 'ECONNREFUSED' });
});

for (const workers of ['1', '2']) {
  test(`a port that is taken stops the start of ${workers}, and is named`, async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    t.after(() => taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const settings = { ...(await makeDatabase(t)), PORT: '0', METRICS_PORT: String(port), LOG_LEVEL: 'warn' };
    const ended = await call(['serve', '--workers', workers], { directory: temporaryDirectory(t), settings });
    assert.equal(ended.code, 1);
    const message = `todo-api: METRICS_PORT cannot be used: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`;
    assert.equal(ended.stderr, message);
  });
}

test('metrics that cannot be read now are 503', async (t) => {
  const { url, close } = await serveMetrics('::1', 0, () => Promise.reject(new Error('timed out')));
  t.after(close);
  assert.match(url, /^http:\/\/\[::1\]:\d+\/metrics$/);
  assert.equal((await send(new URL(url).origin, 'GET', '/metrics')).status, 503);
});
