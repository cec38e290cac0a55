#!/usr/bin/env node
/** The `presence` command in a clone: sees that the packages are there, then runs cli/main.ts as it is written. */
import { ensureInstalled } from '../scripts/setup.mjs';

ensureInstalled();
const { register } = await import('tsx/esm/api');
register();
await import('../cli/main.ts');
