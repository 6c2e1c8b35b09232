import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Loaded before the service, by NODE_OPTIONS: on SIGURG collects all garbage and tells what is left in the
// heap, so that the service needs no route for that.
const path = process.env.HEAP_FILE as string;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
process.on('SIGURG', () => {
  collect();
  writeFileSync(`${path}.new`, String(process.memoryUsage().heapUsed));
  renameSync(`${path}.new`, path);
});
