#!/usr/bin/env node
/**
 * The `presence` command in a clone: sees that the packages are there, then runs cli/main.ts as it is written. The author's
 * tools (`presence topology …`) are run from a bundle of the same sources, so that they answer at once.
 */
import { ensureInstalled, root } from '../scripts/setup.mjs';

ensureInstalled();
if (process.argv[2] === 'topology') {
  const { bundle } = await import('./bundle.mjs');
  const leaveOut = (path) => path.startsWith('./commands/') && path !== './commands/topology.ts';
  const main = await bundle({ root, entry: 'cli/main.ts', leaveOut }).catch((error) => {
    process.stderr.write(`presence: the sources do not compile.\n${error.message}\n`);
    process.exit(1);
  });
  await import(main.href);
} else {
  const { register } = await import('tsx/esm/api');
  register();
  await import('../cli/main.ts');
}
