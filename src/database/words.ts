/**
 * Makes the function by which SQLite knows whether each of some words, separated by spaces, occurs in
 * title or body. Case is folded letter by letter (Unicode's simple folding), and no character is special.
 */
export function makeWordFinder(): (title: unknown, body: unknown, words: unknown) => 0 | 1 {
  let lastWords: unknown;
  let patterns: RegExp[] = [];
  return (title, body, words) => {
    // A query asks for the same words row by row.
    if (words !== lastWords) {
      patterns = String(words).split(' ').map(toPattern);
      lastWords = words;
    }
    return patterns.every((pattern) => pattern.test(title as string) || pattern.test(body as string)) ? 1 : 0;
  };
}

function toPattern(word: string): RegExp {
  return new RegExp(word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'iu');
}
