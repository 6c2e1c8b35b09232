import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english } from '@zxcvbn-ts/language-en';

const zxcvbn = new ZxcvbnFactory({ dictionary: { ...common, ...english }, graphs: adjacencyGraphs });

/** The bits of the number of guesses that a text takes, going by the words and patterns in it. */
export function estimateBits(text: string): number {
  return zxcvbn.check(text).guessesLog10 * Math.log2(10);
}
