import { type DestinationStream, destination, type LoggerOptions, stdSerializers, transport } from './vendor/pino.ts';

/**
 * The logger's options: readable lines on a terminal, JSON elsewhere. There each line is written at once,
 * which costs far less than having a thread do it, and loses none in a crash.
 */
export function loggerOptions(level: string): LoggerOptions & { stream: DestinationStream } {
  const stream = process.stdout.isTTY
    ? transport({ target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss' } })
    : makeDestination();
  return { level, serializers: { err: describeError }, stream };
}

// So much is held back where the disk under standard output is full; more is lost.
const MAX_HELD = 1_000_000;

/** Standard output. What cannot be written is no fault of the service, and ends nothing. */
function makeDestination(): DestinationStream {
  // With a length, since without one `flush` does nothing.
  const stream = destination({ dest: 1, sync: true, minLength: 1, maxLength: MAX_HELD });
  stream.on('error', () => {});
  // A line for which there is no room tries to make some.
  stream.on('drop', () => stream.flush());
  // Nothing waits but for space, and to wait for that could take for ever.
  stream.flushSync = () => {};
  return stream;
}

/** Of an error no other field: a database's driver puts the row there that it refused, with a password's hash. */
function describeError(error: Error & { code?: string }) {
  const { type, message, stack } = stdSerializers.err(error);
  return { type, code: error.code, message, stack };
}
