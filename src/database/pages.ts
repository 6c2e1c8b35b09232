/** Todos as the API shows them. */
export interface Page {
  /** the array, as JSON text */
  json: string;
  /** the id after which the next page begins, where there is one */
  next?: number | undefined;
}

// A page ends past so many characters; todos that are long would else make tens of megabytes.
const MAX_CHARACTERS = 1_000_000;

/** A page of at most so many todos, or fewer where they are long; of `todos` one more tells of the next page. */
export function fillPage(todos: Iterable<[id: number, json: string]>, limit: number): Page {
  const page: string[] = [];
  let characters = 0;
  let last: number | undefined;
  for (const [id, json] of todos) {
    if (page.length === limit || characters > MAX_CHARACTERS) return { json: `[${page.join(',')}]`, next: last };
    page.push(json);
    characters += json.length;
    last = id;
  }
  return { json: `[${page.join(',')}]` };
}
