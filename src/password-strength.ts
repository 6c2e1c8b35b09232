import { parentPort } from 'node:worker_threads';
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english } from '@zxcvbn-ts/language-en';

/** A password, and the words that make it weak. */
export interface Question {
  password: string;
  inputs: string[];
}

// A worker: answers each question with the zxcvbn score, 0 to 4, of the password's first 64 characters. Longer
// texts take seconds, and what follows those can only make a password stronger.
const zxcvbn = new ZxcvbnFactory({ dictionary: { ...common, ...english }, graphs: adjacencyGraphs });
parentPort?.on('message', ({ password, inputs }: Question) => {
  const { score } = zxcvbn.check([...password].slice(0, 64).join(''), inputs.filter(Boolean));
  parentPort?.postMessage(score);
});
