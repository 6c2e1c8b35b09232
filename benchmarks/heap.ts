import { renameSync, writeFileSync } from 'node:fs';

// Loaded before the service, by NODE_OPTIONS: tells its heap each second, so that it needs no route for that.
const path = process.env.HEAP_FILE as string;
tellHeap();
setInterval(tellHeap, 1000).unref();

function tellHeap(): void {
  writeFileSync(`${path}.new`, String(process.memoryUsage().heapUsed));
  renameSync(`${path}.new`, path);
}
