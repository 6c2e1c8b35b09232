import type { TestContext } from 'node:test';
import { isHashQueueFull, verifyPassword } from '../../src/passwords.ts';

/** Keeps the queue for the hashes of passwords full, until it is released or the test is over. */
export function fillHashQueue(t: Pick<TestContext, 'after'>): { release(): Promise<void> } {
  const waiting: Promise<unknown>[] = [];
  let isHeld = true;
  const fill = () => {
    while (isHeld && !isHashQueueFull()) waiting.push(verifyPassword(undefined, 'pass word', takeTurn).catch(() => {}));
  };
  // Another waits as soon as the turn of one comes. After the release none is hashed.
  const takeTurn = () => {
    fill();
    return isHeld;
  };
  fill();
  const release = async () => {
    isHeld = false;
    await Promise.all(waiting);
  };
  t.after(release);
  return { release };
}
