import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { buildApp } from '../../src/app.ts';
import { openDatabase } from '../../src/database/index.ts';
import {
  type Answer,
  addUser,
  configure,
  isOnPostgresql,
  logIn,
  PASSWORD,
  send,
  type TestApp,
  until,
} from '../helper.ts';
import { startPostgresql, type TestServer } from '../postgresql.ts';

const DROP_OTHERS =
  'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL';

/** What the service answers while PostgreSQL, one that is its own here, fails it. */
describe('faults of PostgreSQL', { skip: !isOnPostgresql && 'this run is on SQLite' }, () => {
  let server: TestServer;
  let service: TestApp;
  let authorization: string;

  before(async () => {
    server = await startPostgresql();
    const config = configure({ DATABASE_URL: server.url, DATABASE_POOL_SIZE: '4', DATABASE_TIMEOUT: '1000' });
    await (await openDatabase(config, { migrate: true })).close();
    const app = await buildApp(config);
    const origin = await app.listen({ host: '127.0.0.1', port: 0 });
    service = { app, origin, send: (...request) => send(origin, ...request) };
    await addUser(service, 'paul');
    authorization = `Token ${(await logIn(service, 'paul')).token}`;
  });
  after(async () => {
    await service.app.close();
    await server.remove();
  });

  const create = (title: string) => service.send('POST', '/api/v1/todo/', { authorization, json: { title } });
  const list = () => service.send('GET', '/api/v1/todo/', { authorization });
  const isUnavailable = ({ status, headers, body }: Answer) => {
    assert.equal(status, 503);
    assert.ok(Number(headers['retry-after']) > 0);
    assert.deepEqual(body, { detail: 'Service temporarily unavailable, try again later.' });
  };

  test('stopped and started again under load, it is 503 between, and loses nothing that was acknowledged', async () => {
    const acknowledged: number[] = [];
    const statuses = new Set<number>();
    let isOver = false;
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let i = 0; !isOver; i++) {
        const answer = await (i % 2 ? list() : create(`${client} ${i}`));
        statuses.add(answer.status);
        if (answer.status === 201) acknowledged.push(answer.body.id);
        else if (answer.status !== 200) isUnavailable(answer);
      }
    });
    await sleep(300);
    await server.stop();
    isUnavailable(await create('while it is away'));
    isUnavailable(await service.send('GET', '/readyz'));
    assert.equal((await service.send('GET', '/healthz')).status, 200);
    await server.start();
    await until('it is ready', async () => (await service.send('GET', '/readyz')).status === 200);
    assert.equal((await create('when it is back')).status, 201);
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual([...statuses].sort(), [200, 201, 503]);
    const kept = new Set((await service.app.prisma.todo.findMany({ select: { id: true } })).map(({ id }) => id));
    assert.deepEqual(
      acknowledged.filter((id) => !kept.has(id)),
      [],
    );
  });

  test('connections that were killed are replaced', async () => {
    await Promise.all([list(), list(), list(), list()]);
    await execute(DROP_OTHERS);
    for (const answer of await Promise.all([list(), list(), list(), list()])) assert.equal(answer.status, 200);
    assert.equal((await create('after it')).status, 201);
  });

  test('a statement that waits too long, and a pool without a free connection, are 503', async () => {
    const locker = new Client(server.url);
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE todos IN ACCESS EXCLUSIVE MODE');
    for (const answer of await Promise.all(Array.from({ length: 12 }, list))) isUnavailable(answer);
    isUnavailable(await create('behind the lock'));
    await locker.end();
    assert.equal((await list()).status, 200);
  });

  test('a server that takes no writes is not ready, and refuses them, and reads go on', async () => {
    await execute('ALTER DATABASE postgres SET default_transaction_read_only = on', DROP_OTHERS);
    isUnavailable(await create('while it is read-only'));
    isUnavailable(await service.send('POST', '/api/token', { json: { username: 'paul', password: PASSWORD } }));
    isUnavailable(await service.send('GET', '/readyz'));
    assert.equal((await list()).status, 200);
    await execute(
      'SET default_transaction_read_only = off',
      'ALTER DATABASE postgres RESET default_transaction_read_only',
      DROP_OTHERS,
    );
    await until('it is ready', async () => (await service.send('GET', '/readyz')).status === 200);
    assert.equal((await create('when it takes them again')).status, 201);
  });

  async function execute(...statements: string[]) {
    const client = new Client(server.url);
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  }
});
