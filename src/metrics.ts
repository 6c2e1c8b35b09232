import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PoolUse } from './database/index.ts';
import { passwordQueue } from './passwords.ts';

const SESSIONS_WITHIN_MS = 1000;

/** What is only looked at when the metrics are asked for. */
export interface Sources {
  countSessions(): Promise<number>;
  countShed(): number;
  countClosedReaders(): number;
  poolUse?: (() => PoolUse) | undefined;
}

/** The metrics of one process. */
export interface Metrics {
  registry: Registry;
  requests: Histogram<'method' | 'route' | 'status'>;
  securityEvents: Counter<'event' | 'route'>;
}

/** Makes the metrics of this process, and begins to measure its event loop and memory. */
export function createMetrics({ countSessions, countShed, countClosedReaders, poolUse }: Sources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'todo_sessions',
    help: 'Live sessions, at most 100000; left out where the database does not tell within a second.',
    // Each process asks the same database.
    aggregator: 'max',
    registers,
    async collect() {
      const late = setTimeout(SESSIONS_WITHIN_MS, undefined, { ref: false });
      const count = await Promise.race([countSessions().catch(() => undefined), late]);
      if (count === undefined) this.remove();
      else this.set(count);
    },
  });
  new Gauge({
    name: 'todo_password_hashes',
    help: 'Passwords that are being hashed (running), and that wait for it (waiting).',
    labelNames: ['state'],
    registers,
    collect() {
      const { running, waiting } = passwordQueue();
      this.set({ state: 'running' }, running);
      this.set({ state: 'waiting' }, waiting);
    },
  });
  count('todo_password_hashes_refused_total', 'Passwords that were not hashed, as too many waited.', () => {
    return passwordQueue().refused;
  });
  count('todo_requests_shed_total', 'Requests that were answered 503 at once, to keep the others fast.', countShed);
  count('todo_slow_readers_closed_total', 'Connections closed as their clients read too slowly.', countClosedReaders);
  if (poolUse) {
    new Gauge({
      name: 'todo_database_connections',
      help: 'Connections to PostgreSQL that serve a request (busy), and that could (idle).',
      labelNames: ['state'],
      registers,
      collect() {
        const { total, idle } = poolUse();
        this.set({ state: 'busy' }, total - idle);
        this.set({ state: 'idle' }, idle);
      },
    });
    new Gauge({
      name: 'todo_database_waiting',
      help: 'What waits for a connection to PostgreSQL.',
      registers,
      collect() {
        this.set(poolUse().waiting);
      },
    });
  }

  /** A counter of what is counted elsewhere. */
  function count(name: string, help: string, read: () => number) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  return {
    registry,
    requests: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Requests by method, route and status, from their headers to the last byte of the answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    securityEvents: new Counter({
      name: 'todo_security_events_total',
      help: 'Security events, log-ins among them, by the name that they have in the log, and by route.',
      labelNames: ['event', 'route'],
      registers,
    }),
  };
}

/** Has a worker answer the first process, which asks all of them and serves the sum. */
export function answerFirstProcess({ registry }: Metrics): void {
  AggregatorRegistry.setRegistries(registry);
  new AggregatorRegistry();
}

/** The sum of the metrics of all workers, for the first process. */
export function sumOfWorkers(): () => Promise<string> {
  const workers = new AggregatorRegistry();
  return () => workers.clusterMetrics();
}

export interface MetricsServer {
  url: string;
  close(): Promise<void>;
}

/** Serves metrics, and nothing else, on a port of their own. Rejects where it cannot listen there. */
export async function serveMetrics(host: string, port: number, read: () => Promise<string>): Promise<MetricsServer> {
  const server = createServer(async (request, response) => {
    if (request.url !== '/metrics') return response.writeHead(404).end();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return response.writeHead(405, { allow: 'GET, HEAD' }).end();
    }
    try {
      const text = await read();
      response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text);
    } catch {
      // A worker ended or was busy; the next time it may be otherwise.
      response.writeHead(503).end();
    }
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return {
    url: `http://${isIPv6(address.address) ? `[${address.address}]` : address.address}:${address.port}/metrics`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
