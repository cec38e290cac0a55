/** A browser of this machine for playwright-core, which brings none. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { ensureCommand } from './machine.ts';
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

export interface Browser {
  readonly executablePath: string;
  /** Its name and version, for the summary. */
  readonly description: string;
}

/** A Chromium: `PRESENCE_CHROMIUM`, else one in a known place, else installed from Debian. */
export async function browser(): Promise<Browser | Skipped> {
  return await orSkipped('Browser', async () => {
    const executablePath = process.env.PRESENCE_CHROMIUM ?? known.find((path) => existsSync(path)) ?? (await installed());
    return { executablePath, description: execFileSync(executablePath, ['--version'], { encoding: 'utf8' }).trim() };
  });
}

async function installed(): Promise<string> {
  await ensureCommand('chromium', ['chromium']);
  return '/usr/bin/chromium';
}
