import { type LoggerOptions, stdSerializers } from 'pino';

/** The logger's options: readable lines on a terminal, JSON elsewhere. */
export function loggerOptions(level: string): LoggerOptions {
  const options = { level, serializers: { err: describeError } };
  if (!process.stdout.isTTY) return options;
  return {
    ...options,
    transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss' } },
  };
}

/** Of an error no other field: a database's driver puts the row there that it refused, with a password's hash. */
function describeError(error: Error & { code?: string }) {
  const { type, message, stack } = stdSerializers.err(error);
  return { type, code: error.code, message, stack };
}
