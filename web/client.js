/** The client library for the page. Gateways serve this file as one module, with all that it imports (cli/client-bundle.ts). */
export { createPresenceClient } from '../client/index.ts';
