/**
 * A cursor: what a connection has been told of, as positions in presence.diffs, and what it was last sent of the users whose
 * newest state was withheld (it reads slowly, they flap). Opaque to clients; any gateway of this region can read it, in
 * either mode.
 *
 * base64url of JSON: `{v, t, e, p, w?, x?}`. A cursor is a position, no secret and no permission: a forged one yields
 * diffs of users whom its bearer may watch anyway.
 */
import { type State, stateSymbols } from '../schemas/generated.ts';
import { badInput } from './devices-speaker.ts';
import type { Sent } from './recent-diffs.ts';

export interface Cursor {
  /** When it was made: the gateway's clock, ms. */
  readonly at: number;
  /** The newest epoch seen in a diff by then; 0: none seen. */
  readonly epoch: number;
  /** By partition: every diff below this offset has been told; -1: not known, nobody was watched there. */
  readonly positions: readonly number[];
  /** At most `WITHHELD_MAX`. */
  readonly withheld: ReadonlyMap<string, Sent>;
  /** Something was still to be told (a snapshot under way, more withheld than are named): resuming from it takes a snapshot. */
  readonly incomplete: boolean;
}

/** Longer ones are not ours: 1,024 partitions with nine digits each. */
const CURSOR_CHARS_MAX = 16_384;

/** Users named in a cursor. With more of whom something is withheld, it is incomplete. */
export const WITHHELD_MAX = 20;

export function encodeCursor(cursor: Cursor): string {
  const json = {
    v: 1,
    t: cursor.at,
    e: cursor.epoch,
    p: cursor.positions.map((position) => (position < 0 ? '' : position.toString(36))).join('.'),
    ...(cursor.withheld.size === 0
      ? {}
      : { w: [...cursor.withheld].map(([key, { epoch, version, state }]) => [key, epoch, version, state]) }),
    ...(cursor.incomplete ? { x: 1 } : {}),
  };
  return Buffer.from(JSON.stringify(json)).toString('base64url');
}

/** Throws BAD_INPUT for what is not one of ours. */
export function decodeCursor(text: string): Cursor {
  if (text.length > CURSOR_CHARS_MAX || !/^[A-Za-z0-9_-]+$/.test(text)) throw garbled();
  let json: { v?: unknown; t?: unknown; e?: unknown; p?: unknown; w?: unknown; x?: unknown } | null;
  try {
    json = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw garbled();
  }
  if (typeof json !== 'object' || json === null || json.v !== 1 || typeof json.p !== 'string') throw garbled();
  const { t, e, p } = json;
  if (!isWhole(t) || !isWhole(e) || !/^[0-9a-z]{0,11}(\.[0-9a-z]{0,11})*$/.test(p)) throw garbled();
  const positions = p.split('.').map((digits) => (digits === '' ? -1 : Number.parseInt(digits, 36)));
  if (!positions.every((position) => position === -1 || isWhole(position))) throw garbled();
  return { at: t, epoch: e, positions, withheld: withheldOf(json.w ?? []), incomplete: json.x === 1 };
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const garbled = () => badInput('cursor: not one that a gateway gave');

function withheldOf(w: unknown): ReadonlyMap<string, Sent> {
  if (!Array.isArray(w) || w.length > WITHHELD_MAX) throw garbled();
  return new Map(
    w.map((one: unknown): [string, Sent] => {
      if (!Array.isArray(one)) throw garbled();
      const [key, epoch, version, state] = one as readonly unknown[];
      if (typeof key !== 'string' || !isWhole(epoch) || !isWhole(version) || !isState(state)) throw garbled();
      return [key, { epoch, version, state }];
    }),
  );
}

const isState = (value: unknown): value is State => (stateSymbols as readonly unknown[]).includes(value);
