/**
 * The client library: see docs/client.md.
 *
 * ```ts
 * const client = createPresenceClient({ url: 'https://presence.example.com', token: () => fetchToken() });
 * client.on('presence', (changes) => {
 *   for (const { presence } of changes) console.log(presence.user_id, presence.state);
 * });
 * client.subscribe(['bob', 'cy']);
 * client.connect();
 * ```
 */
import { type ClientOptions, PresenceClient } from './client.ts';

export type { ClientEvents, ClientOptions, PresenceClient } from './client.ts';
export type { Connection, Fault } from './link.ts';
export type { Change } from './picture.ts';
export type { Cause, DeviceSource, DeviceState, DiffView, Presence, Source, State } from './protocol.ts';

/** A client; it is idle until `connect`. Throws TypeError where there is no WebSocket. */
export const createPresenceClient = (options: ClientOptions): PresenceClient => new PresenceClient(options);
