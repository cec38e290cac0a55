/** A browser of this machine for playwright-core, which brings none. */
import { existsSync } from 'node:fs';
import { ensureCommand, has } from './machine.ts';
import type { Skipped } from './part.ts';
import { orSkipped } from './skip.ts';

/** How a test starts it: `chromium.launch({ executablePath, args: [...browserArgs] })`. Quiet, and safe for root. */
export const browserArgs: readonly string[] = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable'];

/** The path of a Chromium: `PRESENCE_CHROMIUM`, else a known place, else installed from Debian. */
export async function browser(): Promise<{ readonly executablePath: string } | Skipped> {
  return await orSkipped('Browser', async () => {
    const wished = process.env.PRESENCE_CHROMIUM;
    if (wished !== undefined) return { executablePath: wished };
    const found = known.find((path) => existsSync(path));
    if (found !== undefined) return { executablePath: found };
    if (!has('chromium')) await ensureCommand('chromium', ['chromium']);
    return { executablePath: '/usr/bin/chromium' };
  });
}
