/**
 * Makes the function by which SQLite knows whether each of some words, separated by spaces, occurs in
 * title or body. Case is no difference where the capitals are equal, and no character is special.
 */
export function makeWordFinder(): (title: unknown, body: unknown, words: unknown) => 0 | 1 {
  let lastWords: unknown;
  let wanted: string[] = [];
  return (title, body, words) => {
    // A query asks for the same words row by row.
    if (words !== lastWords) {
      wanted = String(words).split(' ').map(inCapitals);
      lastWords = words;
    }
    // No word has a line break.
    const text = inCapitals(`${title}\n${body}`);
    return wanted.every((word) => text.includes(word)) ? 1 : 0;
  };
}

/** As PostgreSQL has it, too: ß is SS, and so is its own capital. */
function inCapitals(text: string): string {
  return text.replaceAll('ẞ', 'SS').toUpperCase();
}
