export { Ajv, type ErrorObject } from 'ajv';
