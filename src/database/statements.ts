import type { Prisma } from './extend.ts';
import type { ListQuery, Page } from './pages.ts';

/** An open database of either provider. */
export interface Database {
  prisma: Prisma;
  /** The migrations that were applied on opening. */
  migrated: string[];
  /** Whether it takes writes; a server may be there and take none, as after a failover. Rejects where it does not answer. */
  isWritable(): Promise<boolean>;
  /** Of a provider that has a pool. */
  poolUse?(): PoolUse;
  close(): Promise<void>;
}

/** The connections of a pool, and what waits for one. */
export interface PoolUse {
  total: number;
  idle: number;
  waiting: number;
}

/** Who asks: other users' rows do not exist for them, but for a superuser's. */
export interface Viewer {
  id: number;
  isSuperuser: boolean;
}

/** The owner of all that a viewer may see; nobody, where that is everything. */
export function ownerOf({ isSuperuser, id }: Viewer): number[] {
  return isSuperuser ? [] : [id];
}

/** What a request proved its user by. `scopes` is what it may do; null: all that its user may. */
export type Credential =
  | { kind: 'token'; id: number; scopes: string[] | null; lastUsedAt: Date | null; expiresAt: Date | null }
  | { kind: 'session'; id: string; scopes: null };

/** The user of a credential that has not ended. */
export interface LiveUser extends Viewer {
  isActive: boolean;
  credential: Credential;
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

/** What a client may write. */
export interface TodoFields {
  title: string;
  body: string;
  is_completed: boolean;
  date_created: string;
}

/** A request that may come again: the key that its user gave it, and a digest of what it asks. */
export interface KeyedRequest {
  key: string;
  /** SHA-256, in hex */
  fingerprint: string;
}

/** What the first request of a key asked, and what it was answered. */
export interface KeyedAnswer {
  fingerprint: string;
  /** the body, as JSON text */
  answer: string;
  /** whether it was there before */
  isReplay: boolean;
}

/** How long an answer is kept, as both databases say it. */
export const KEPT_FOR = '24 hours';

/** The columns of what a client may write. */
export const TODO_COLUMNS = ['title', 'body', 'is_completed', 'date_created'] as const satisfies (keyof TodoFields)[];

/**
 * What runs on every request or fills a page, as prepared statements. Access is decided in the
 * statement: what the viewer may not see is not there, nor is a todo that is not as `expected`.
 */
export interface Statements {
  /** The user of an API token that has neither ended nor expired, by its digest. */
  findTokenUser(digest: string): Promise<LiveUser | undefined>;
  /** Notes that a token is used, where that was last noted at `before` or earlier. */
  noteTokenUse(id: number, before: Date): Promise<void>;
  /** The user of a session that has not ended. */
  findSessionUser(sid: string, userId: number): Promise<LiveUser | undefined>;
  pageTodos(viewer: Viewer, query: ListQuery): Promise<Page>;
  readTodo(viewer: Viewer, id: number): Promise<TodoRow | undefined>;
  /** Fails (`isMissing`) where the owner was deleted. */
  addTodo(ownerId: number, fields: TodoFields): Promise<TodoRow>;
  /**
   * Adds a todo and keeps the answer under the request's key, both or neither; or, where one is kept, gives
   * that and adds nothing. Undefined where another request of the key is under way.
   */
  addTodoOnce(ownerId: number, fields: TodoFields, request: KeyedRequest): Promise<KeyedAnswer | undefined>;
  /** Writes only the given columns and raises `version`; nothing given, nothing is written. */
  changeTodo(viewer: Viewer, id: number, fields: Partial<TodoFields>, expected?: TodoRow): Promise<TodoRow | undefined>;
  /** Whether there was one to remove. */
  removeTodo(viewer: Viewer, id: number, expected?: TodoRow): Promise<boolean>;
}
