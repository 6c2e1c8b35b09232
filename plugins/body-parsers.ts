import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { parseForm, toForm } from '../src/bodies/form.ts';
import { parseJson } from '../src/bodies/json.ts';
import { countUpTo, limit, MAX_PARTS } from '../src/bodies/limits.ts';
import { MultipartParseError, UnsupportedMediaType } from '../src/errors.ts';
import type { FormFields } from '../src/fields.ts';
import { BODY_TYPES } from '../src/schemas.ts';
import { Busboy, type BusboyHeaders } from '../src/vendor/busboy.ts';

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
        async (request: FastifyRequest, body: Buffer) => {
          if (body.length === 0 || !request.routeOptions.schema?.body) return {};
          fastify.admitBody?.(request);
          return parse(body, request);
        },
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

// Of one part.
const MAX_PART_HEADER = 16 * 1024;

const READ_TYPES = new RegExp(`^(${BODY_TYPES.join('|')})\\s*(?:;|$)`, 'i');

function refuseType(_bytes: Buffer, { contentType }: FastifyRequest): never {
  throw new UnsupportedMediaType(contentType);
}

/** Files are fields that hold no text. */
function parseMultipart(bytes: Buffer, { contentType }: FastifyRequest): Promise<FormFields> {
  const boundary = boundaryOf(contentType);
  // Before each part and after the last.
  limit(countUpTo(MAX_PARTS + 1, bytes, `--${boundary}`) - 1, MAX_PARTS, 'parts');
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new MultipartParseError(error.message));
    const fields: [string, unknown][] = [];
    try {
      const form = new Busboy({
        headers: { 'content-type': `multipart/form-data; boundary=${JSON.stringify(boundary)}` } as BusboyHeaders,
        limits: { fieldSize: bytes.length, headerSize: MAX_PART_HEADER },
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

const BOUNDARY = /;\s*boundary=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i;

function boundaryOf(contentType: string): string {
  const [, quoted, bare] = BOUNDARY.exec(contentType) ?? [];
  const boundary = bare ?? quoted?.replace(/\\(.)/g, '$1');
  if (!boundary) throw new MultipartParseError('Multipart: Boundary not found');
  return boundary;
}
