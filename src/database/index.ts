export { MigrationError } from './migrate.ts';
export { type Database, databasePath, openDatabase, type Prisma } from './sqlite.ts';
export type { TodoFields, TodoRow, Viewer } from './statements.ts';

const hasCode = (code: string) => (error: unknown) => (error as { code?: unknown }).code === code;

/** Whether Prisma refused a value that must be unique. */
export const isUniqueViolation = hasCode('P2002');

/** Whether Prisma found no record of the condition to write to. */
export const isMissing = hasCode('P2025');
