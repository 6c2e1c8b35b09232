import type { PrismaClient } from './generated/sqlite/client.ts';
import type { Statements } from './statements.ts';

/** Prisma's client with a provider's statements among the methods of its models. */
export function extend(client: PrismaClient, statements: Statements) {
  return client.$extends({
    model: {
      apiToken: { findUser: statements.findTokenUser, noteUse: statements.noteTokenUse },
      session: { findUser: statements.findSessionUser },
      todo: {
        page: statements.pageTodos,
        read: statements.readTodo,
        add: statements.addTodo,
        addOnce: statements.addTodoOnce,
        change: statements.changeTodo,
        remove: statements.removeTodo,
      },
    },
  });
}

export type Prisma = ReturnType<typeof extend>;
