import type { Socket } from 'node:net';
import type { Pool, PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg';

interface Waiting {
  query: QueryConfig;
  resolve(result: QueryResult): void;
  reject(error: unknown): void;
}

// The next go to another process of the server, by another connection.
const MAX_GROUP = 8;

/** Asks a pool, whose connections are of pg's `pipeline` mode, for what the server answers in no time. */
export interface GroupedReads {
  ask<Row extends QueryResultRow>(query: QueryConfig): Promise<QueryResult<Row>>;
  /** how many wait for a connection, beyond those for which the pool is asked */
  waiting(): number;
}

/**
 * Reads that are asked for in one turn of the event loop, or that wait for a connection meanwhile, share one: they
 * are sent in one piece, and none waits for the answer to another. Each fails alone. To write to a socket takes
 * longer than all else that a request needs.
 */
export function groupReads(pool: Pool): GroupedReads {
  const waiting: Waiting[] = [];
  let connecting = 0;

  function connect() {
    while (connecting * MAX_GROUP < waiting.length) sendNext();
  }

  async function sendNext(): Promise<void> {
    connecting++;
    const client = await pool.connect().catch((error) => {
      for (const { reject } of waiting.splice(0, MAX_GROUP)) reject(error);
    });
    connecting--;
    if (client) client.release(!(await send(client, waiting.splice(0, MAX_GROUP))));
  }

  return {
    ask: <Row extends QueryResultRow>(query: QueryConfig) =>
      new Promise<QueryResult<Row>>((resolve, reject) => {
        const length = waiting.push({ query, resolve: resolve as Waiting['resolve'], reject });
        if (length > connecting * MAX_GROUP) setImmediate(connect);
      }),
    waiting: () => Math.max(0, waiting.length - connecting),
  };
}

/** Whether all went well, and the connection is as it was. */
async function send(client: PoolClient, reads: Waiting[]): Promise<boolean> {
  const { stream } = (client as PoolClient & { connection: { stream: Socket } }).connection;
  // The reads themselves hear of it.
  client.on('error', ignore);
  stream.cork();
  const answers = reads.map(({ query, resolve, reject }) => {
    const answer = client.query(query);
    answer.then(resolve, reject);
    return answer;
  });
  stream.uncork();
  const outcomes = await Promise.allSettled(answers);
  client.off('error', ignore);
  return outcomes.every(({ status }) => status === 'fulfilled');
}

function ignore() {}
