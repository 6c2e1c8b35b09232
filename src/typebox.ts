/**
 * TypeBox, for all that has a schema. The build puts it into this one file: its 370 modules would take a
 * fifth of the time to start, and 15 MB.
 */
export { type Static, type TObject, type TSchema, Type } from 'typebox';
