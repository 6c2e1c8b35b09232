import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

function findChromium(): string | undefined {
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap((place) => NAMES.map((name) => join(place, name)));
  return [process.env.CHROMIUM_PATH, ...onPath].find((path) => path && isProgram(path));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface Visit {
  page: Page;
  /** what the page complained of: errors, warnings, violations of its content-security policy */
  complaints: string[];
  /** the addresses of all that it asked for */
  requested: URL[];
}

let browser: Promise<Browser> | undefined;
after(async () => (await browser)?.close());

/** A blank page of a real Chromium, which all tests of a file share, and nothing else of it. Where there is none the test is skipped, or fails if REQUIRE_CHROMIUM is 1. */
export async function openPage(t: TestContext): Promise<Visit | undefined> {
  const executablePath = findChromium();
  if (!executablePath) {
    const reason = `none of ${NAMES.join(', ')} is on PATH, nor does CHROMIUM_PATH name one`;
    if (process.env.REQUIRE_CHROMIUM === '1') throw new Error(reason);
    t.skip(reason);
    return undefined;
  }
  browser ??= chromium.launch({ executablePath, args: FLAGS.split(' ') });
  const page = await (await browser).newPage({ viewport: { width: 1200, height: 1000 } });
  t.after(() => page.close());
  const visit: Visit = { page, complaints: [], requested: [] };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) visit.complaints.push(message.text());
  });
  page.on('pageerror', (error) => visit.complaints.push(String(error)));
  page.on('request', (request) => visit.requested.push(new URL(request.url())));
  return visit;
}
