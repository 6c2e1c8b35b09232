import type { Prisma } from './extend.ts';

/** An open database of either provider. */
export interface Database {
  prisma: Prisma;
  /** The migrations that were applied on opening. */
  migrated: string[];
  close(): Promise<void>;
}

/** Who asks: other users' rows do not exist for them, but for a superuser's. */
export interface Viewer {
  id: number;
  isSuperuser: boolean;
}

/** A todo as the API shows it; `last_modified` is the day, in UTC. */
export interface TodoRow {
  id: number;
  title: string;
  body: string;
  is_completed: boolean;
  date_created: string;
  last_modified: string;
  owner: number;
}

/** Todos as the API shows them. */
export interface Page {
  /** the array, as JSON text */
  json: string;
  /** the id after which the next page begins, where there is one */
  next?: number | undefined;
}

/** What a client may write. */
export interface TodoFields {
  title: string;
  body: string;
  is_completed: boolean;
  date_created: string;
}

/** The columns of what a client may write. */
export const TODO_COLUMNS = ['title', 'body', 'is_completed', 'date_created'] as const satisfies (keyof TodoFields)[];

/**
 * What runs on every request or fills a page, as prepared statements. Access is decided in the
 * statement: what the viewer may not see is not there.
 */
export interface Statements {
  /** The user of a live API token, by its digest. */
  findTokenUser(digest: string): Promise<LiveUser | undefined>;
  /** The user of a session that has not ended. */
  findSessionUser(sid: string, userId: number): Promise<LiveUser | undefined>;
  /** Up to `limit` todos with an id over `after`, oldest id first. */
  pageTodos(viewer: Viewer, after: number, limit: number): Promise<Page>;
  readTodo(viewer: Viewer, id: number): Promise<TodoRow | undefined>;
  addTodo(ownerId: number, fields: TodoFields): Promise<TodoRow>;
  /** Writes only the given columns and raises `version`; nothing given, nothing is written. */
  changeTodo(viewer: Viewer, id: number, fields: Partial<TodoFields>): Promise<TodoRow | undefined>;
  /** Whether there was one to remove. */
  removeTodo(viewer: Viewer, id: number): Promise<boolean>;
}

/** The user of a credential that is still good. */
export interface LiveUser extends Viewer {
  isActive: boolean;
}
