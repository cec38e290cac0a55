/** `npm start`: the whole system in one process on embedded parts. It is `presence up`, options included. */
import { ensureInstalled } from './setup.mjs';

ensureInstalled();
process.argv.splice(2, 0, 'up');
await import('../bin/presence.mjs');
