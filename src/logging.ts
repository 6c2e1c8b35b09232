import type { LoggerOptions } from 'pino';

/** The logger's options: readable lines on a terminal, JSON elsewhere. */
export function loggerOptions(level: string): LoggerOptions {
  if (!process.stdout.isTTY) return { level };
  return {
    level,
    transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss' } },
  };
}
