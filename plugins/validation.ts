import fp from 'fastify-plugin';
import { FieldErrors } from '../src/errors.ts';
import { compileNormaliser, fieldErrors, isDay, isInstant, isObject, notAnObject } from '../src/fields.ts';
import { Ajv } from '../src/vendor/ajv.ts';
import type { TObject } from '../src/vendor/typebox.ts';

/**
 * Validates bodies, queries and parameters by their schemas, with the leniency and the messages of
 * Django REST Framework: each field is first brought into its own form, then the schema judges.
 * What no schema names is dropped.
 */
export default fp(
  async (fastify) => {
    const ajv = new Ajv({
      allErrors: true,
      verbose: true,
      strict: false,
      meta: false,
      validateSchema: false,
      formats: { date: isDay, 'date-time': isInstant, password: true, int32: true },
    });
    fastify.setValidatorCompiler<TObject>(({ schema }) => {
      const normalise = compileNormaliser(schema);
      const validate = ajv.compile(schema);
      return (data: unknown) => {
        if (!isObject(data)) return { error: new FieldErrors(notAnObject(data)) };
        const value = normalise(data);
        return validate(value) ? { value } : { error: new FieldErrors(fieldErrors(validate.errors ?? [])) };
      };
    });
  },
  { name: 'validation' },
);
