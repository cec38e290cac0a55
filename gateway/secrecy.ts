/**
 * What is told to others in place of what would tell too much, made with a secret that all gateways share.
 *
 * **Model.** One secret a process, set when a gateway is made (`useSecret`); until then a constant of no value, so that parts
 * alone (tests, the simulation) say the same each time. Gateways with different secrets serve side by side; what one of
 * them sealed is not readable to the other.
 */
import { createHmac, hkdfSync } from 'node:crypto';

let keys = keysOf('no secret was set');

function keysOf(secret: string): { readonly traces: Buffer; readonly cursors: Buffer } {
  const key = (of: string): Buffer => Buffer.from(hkdfSync('sha256', secret, 'presence', of, 32));
  return { traces: key('traces'), cursors: key('cursors') };
}

/** Of all gateways of an installation the same; at least 16 random bytes' worth. */
export function useSecret(secret: string): void {
  keys = keysOf(secret);
}

export const cursorKey = (): Buffer => keys.cursors;

/** What identifies a change in others' view. */
export interface SeenChange {
  readonly epoch: number;
  readonly version: number;
  readonly cause: string;
  readonly trace_id: string | null;
}

/**
 * The trace id that others are shown. A sign of life that has none gets one made up: when `invisible` ends by itself, others
 * see a hello, and every hello has one. The same change has the same, in frames and in history.
 */
export function traceForOthers(userKey: string, { epoch, version, cause, trace_id }: SeenChange): string | null {
  if (trace_id !== null || cause !== 'signal') return trace_id;
  return createHmac('sha256', keys.traces).update(`${userKey} ${epoch} ${version}`).digest('hex').slice(0, 32);
}
