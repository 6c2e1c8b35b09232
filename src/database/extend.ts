import type { PrismaClient } from './generated/sqlite/client.ts';
import type { Statements } from './statements.ts';

/** Prisma's client with a provider's statements among the methods of its models. */
export function extend(client: PrismaClient, statements: Statements) {
  const {
    findTokenUser,
    noteTokenUse,
    findSessionUser,
    pageTodos,
    readTodo,
    addTodo,
    addTodoOnce,
    changeTodo,
    removeTodo,
  } = statements;
  return client.$extends({
    model: {
      apiToken: { findUser: findTokenUser, noteUse: noteTokenUse },
      session: { findUser: findSessionUser },
      todo: {
        page: pageTodos,
        read: readTodo,
        add: addTodo,
        addOnce: addTodoOnce,
        change: changeTodo,
        remove: removeTodo,
      },
    },
  });
}

export type Prisma = ReturnType<typeof extend>;
