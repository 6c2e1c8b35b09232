export { type DestinationStream, destination, type LoggerOptions, pino, stdSerializers, transport } from 'pino';
