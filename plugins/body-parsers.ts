import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type ParseOptions, parse as parseLossless } from 'lossless-json';
import { JsonParseError, MultipartParseError, UnsupportedMediaType } from '../src/errors.ts';
import { FormFields, JsonNumber } from '../src/fields.ts';
import { BODY_TYPES } from '../src/schemas.ts';
import { Busboy, type BusboyHeaders } from '../src/vendor/busboy.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

declare module 'fastify' {
  interface FastifyRequest {
    /** The Content-Type as it was sent. */
    contentType: string;
  }
}

/**
 * Reads bodies as JSON, URL-encoded and multipart forms; 415 for any other type. An empty body is
 * `{}` whatever its type, and a route that declares no body reads none. Of a repeated field the
 * last counts; `__proto__` and `constructor` are fields like any other.
 */
export default fp(
  async (fastify) => {
    fastify.removeAllContentTypeParsers();
    const read = (type: string, parse: (body: Buffer, request: FastifyRequest) => unknown) =>
      fastify.addContentTypeParser<Buffer>(
        type,
        { parseAs: 'buffer' },
        async (request: FastifyRequest, body: Buffer) =>
          body.length > 0 && request.routeOptions.schema?.body ? parse(body, request) : {},
      );
    read('application/json', parseJson);
    read('application/x-www-form-urlencoded', parseForm);
    read('multipart/form-data', parseMultipart);
    read('*', refuseType);
    // Fastify refuses a malformed type itself; but where no body is read its type says nothing.
    fastify.decorateRequest('contentType', '');
    fastify.addHook('preParsing', (request, _reply, _payload, done) => {
      const { headers } = request;
      if (headers['content-type'] === undefined) return done();
      request.contentType = headers['content-type'];
      const [, type] = READ_TYPES.exec(request.contentType) ?? [];
      if (type) headers['content-type'] = type;
      else delete headers['content-type'];
      done();
    });
    fastify.addHook('preValidation', (request, _reply, done) => {
      if (request.body === undefined) request.body = {};
      done();
    });
  },
  { name: 'body-parsers' },
);

const READ_TYPES = new RegExp(`^(${BODY_TYPES.join('|')})\\s*(?:;|$)`, 'i');

function refuseType(_bytes: Buffer, { contentType }: FastifyRequest): never {
  throw new UnsupportedMediaType(contentType);
}

function parseJson(bytes: Buffer): unknown {
  try {
    const text = UTF8.decode(bytes);
    const value = JSON.parse(text);
    return hasNumber(value) ? keepDigits(value, parseLossless(text, null, LOSSLESS)) : value;
  } catch (error) {
    // V8 quotes the body, which may hold a secret.
    throw new JsonParseError((error as Error).message.replace(/, (?:\.{3})?".*/s, ''));
  }
}

// JSON.parse loses how a number was written, and a number given for text is its digits.
const LOSSLESS: ParseOptions = {
  parseNumber: (source) => new JsonNumber(source),
  onDuplicateKey: ({ newValue }) => newValue,
};

function hasNumber(value: unknown): boolean {
  // It is no object of fields, and refused.
  if (Array.isArray(value)) return false;
  return typeof value === 'object' && value !== null
    ? Object.values(value).some((field) => typeof field === 'number')
    : typeof value === 'number';
}

function keepDigits(value: unknown, lossless: unknown): unknown {
  if (typeof value === 'number') return lossless;
  const numbers = Object.entries(lossless as object).filter(([, field]) => field instanceof JsonNumber);
  return Object.fromEntries([...Object.entries(value as object), ...numbers]);
}

function parseForm(bytes: Buffer): FormFields {
  return toForm(new URLSearchParams(`&${bytes}`));
}

/** Files are fields that hold no text. */
function parseMultipart(bytes: Buffer, { contentType }: FastifyRequest): Promise<FormFields> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new MultipartParseError(error.message));
    const fields: [string, unknown][] = [];
    try {
      const form = new Busboy({
        headers: { 'content-type': contentType } as BusboyHeaders,
        limits: { fieldSize: bytes.length },
        isPartAFile: (_name, _type, filename) => Boolean(filename),
      });
      form.on('field', (name, value) => fields.push([name, value]));
      form.on('file', (name, stream) => {
        fields.push([name, {}]);
        stream.on('error', fail).resume();
      });
      form.on('error', (error) => fail(error as Error));
      form.on('finish', () => resolve(toForm(fields)));
      form.end(bytes);
    } catch (error) {
      fail(error as Error);
    }
  });
}

function toForm(fields: Iterable<[string, unknown]>): FormFields {
  const form = new FormFields();
  for (const [name, value] of fields) Object.defineProperty(form, name, { value, configurable: true });
  return form;
}
