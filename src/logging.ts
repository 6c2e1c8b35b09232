import { type DestinationStream, destination, type LoggerOptions, stdSerializers, transport } from './vendor/pino.ts';

/**
 * The logger's options: readable lines on a terminal, JSON elsewhere. There each line is written at once,
 * which costs far less than having a thread do it, and loses none in a crash.
 */
export function loggerOptions(level: string): LoggerOptions & { stream: DestinationStream } {
  const stream = process.stdout.isTTY
    ? transport({ target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss' } })
    : destination({ dest: 1, sync: true });
  return { level, serializers: { err: describeError }, stream };
}

/** Of an error no other field: a database's driver puts the row there that it refused, with a password's hash. */
function describeError(error: Error & { code?: string }) {
  const { type, message, stack } = stdSerializers.err(error);
  return { type, code: error.code, message, stack };
}
