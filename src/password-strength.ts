import { parentPort, workerData } from 'node:worker_threads';
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english } from '@zxcvbn-ts/language-en';

// A worker: posts the zxcvbn score, 0 to 4, of a password's first 64 characters. Longer texts take
// seconds, and what follows those can only make a password stronger.
const { password, inputs } = workerData as { password: string; inputs: string[] };
const zxcvbn = new ZxcvbnFactory({ dictionary: { ...common, ...english }, graphs: adjacencyGraphs });
parentPort?.postMessage(zxcvbn.check([...password].slice(0, 64).join(''), inputs.filter(Boolean)).score);
