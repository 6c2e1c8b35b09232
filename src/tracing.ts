import { setTimeout } from 'node:timers/promises';
import type { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { FastifyBaseLogger } from 'fastify';
import { ConfigError } from './config.ts';
import { version } from './package.ts';

const LAST_SPANS_MS = 2000;

/** What makes spans, and the function that sends the last of them and ends it. */
export interface Tracing {
  provider: NodeTracerProvider;
  stop(): Promise<void>;
}

/** Whether OpenTelemetry's own variables ask for traces: by an exporter, or by where to send them. */
export function isTracingOn(env: NodeJS.ProcessEnv): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false;
  if (env.OTEL_TRACES_EXPORTER) return env.OTEL_TRACES_EXPORTER !== 'none';
  return ENDPOINTS.some((name) => env[name]);
}

const ENDPOINTS = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];

/**
 * Starts to send traces by OTLP over HTTP. All else that OpenTelemetry's variables say, its libraries read.
 * @throws {ConfigError} naming the variable that is wrong, or asks for more
 */
export async function startTracing(env: NodeJS.ProcessEnv, log: FastifyBaseLogger): Promise<Tracing> {
  const protocol = readProtocol(env);
  const [{ context, diag, DiagLogLevel, propagation, trace }, sdk, { OTLPTraceExporter }, resources] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-node'),
      protocol === 'http/json'
        ? import('@opentelemetry/exporter-trace-otlp-http')
        : import('@opentelemetry/exporter-trace-otlp-proto'),
      import('@opentelemetry/resources'),
    ]);
  const ignore = () => {};
  const warn = (message: string) => log.warn({ opentelemetry: message }, 'traces');
  diag.setLogger({ error: warn, warn, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.WARN);
  const own = resources.resourceFromAttributes({ 'service.name': 'todo-api', 'service.version': version });
  const given = resources.detectResources({ detectors: [resources.envDetector] });
  const provider = new sdk.NodeTracerProvider({
    resource: resources.defaultResource().merge(own).merge(given),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();

  async function stop(): Promise<void> {
    const late = setTimeout(LAST_SPANS_MS, 'not in time', { ref: false });
    const fault = await Promise.race([provider.shutdown().catch(({ message }) => message), late]);
    if (fault) warn(`The last spans were not sent: ${fault}`);
    for (const api of [trace, context, propagation, diag]) api.disable();
  }

  return { provider, stop };
}

function readProtocol(env: NodeJS.ProcessEnv): string {
  if (env.OTEL_TRACES_EXPORTER && env.OTEL_TRACES_EXPORTER !== 'otlp') {
    throw new ConfigError('OTEL_TRACES_EXPORTER must be otlp or none');
  }
  for (const name of ENDPOINTS) {
    const endpoint = env[name];
    if (endpoint && !(URL.canParse(endpoint) && /^https?:/i.test(endpoint))) {
      throw new ConfigError(`${name} must be the URL of a collector, http:// or https://`);
    }
  }
  const name = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL
    ? 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'
    : 'OTEL_EXPORTER_OTLP_PROTOCOL';
  const protocol = env[name] || 'http/protobuf';
  if (!PROTOCOLS.includes(protocol)) throw new ConfigError(`${name} must be one of ${PROTOCOLS.join(', ')}`);
  return protocol;
}

const PROTOCOLS = ['http/protobuf', 'http/json'];
