import type { TestEvent } from 'node:test/reporters';

/** What the runner keeps of a test. */
export interface TestResult {
  /** with the names of the suites and tests around it */
  name: string;
  outcome: 'passed' | 'failed' | 'skipped';
}

/** Writes a line of JSON for each test of a file, in the order in which they end. A suite is no test. */
export default async function* reportResults(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const path: string[] = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') path.splice(data.nesting, Number.POSITIVE_INFINITY, data.name);
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details.type === 'suite') continue;
    const outcome = data.skip !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
    const name = [...path.slice(0, data.nesting), data.name].join(' > ');
    yield `${JSON.stringify({ name, outcome } satisfies TestResult)}\n`;
  }
}
