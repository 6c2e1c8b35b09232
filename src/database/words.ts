// Takes some 30 ms: so many characters are compared with words in one search, each as often as there are words.
const MAX_CHARACTERS = 25_000_000;

/** A search for words in one text after another. */
export interface WordSearch {
  /** Begins another search, with all of its effort before it. */
  begin(): void;
  /**
   * SQLite's function: whether each of some words, separated by spaces, occurs in title or body. Case is folded
   * letter by letter (Unicode's simple folding), and no character is special. Once the search has given up,
   * everything passes, unread.
   */
  hasWords(title: unknown, body: unknown, words: unknown): 0 | 1;
  hasGivenUp(): boolean;
}

/** Makes the search of a connection, which has one at a time. */
export function makeWordSearch(): WordSearch {
  let lastWords: unknown;
  let patterns: RegExp[] = [];
  let characters = 0;
  let isOver = false;

  return {
    begin() {
      characters = 0;
      isOver = false;
    },
    hasWords(title, body, words) {
      isOver ||= characters > MAX_CHARACTERS;
      if (isOver) return 1;
      // A query asks for the same words row by row.
      if (words !== lastWords) {
        patterns = String(words).split(' ').map(toPattern);
        lastWords = words;
      }
      characters += patterns.length * ((title as string).length + (body as string).length);
      return patterns.every((pattern) => pattern.test(title as string) || pattern.test(body as string)) ? 1 : 0;
    },
    hasGivenUp: () => isOver,
  };
}

function toPattern(word: string): RegExp {
  return new RegExp(word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'iu');
}
