/**
 * A cursor: what a connection has been told of, as positions in presence.diffs, and what it was last sent of the users whose
 * newest state was withheld (it reads slowly, they flap). Opaque to clients; any gateway of this region can read it, in
 * either mode.
 *
 * **Text.** `<sealed>[.<withheld>][.x].<sum>`: moment, epoch and positions sealed (cursor-seal.ts); the users withheld, whom its
 * bearer watches and was told of, as base64url of JSON; x where it is incomplete; and a sum of all before, so that what was
 * garbled on its way is known from what another secret has sealed. The first is an error. The second is of no use, as are the
 * unsealed ones of gateways of before: resuming from it takes a snapshot.
 *
 * A cursor is no permission: it yields diffs of users whom its bearer may watch anyway.
 */
import { murmur2 } from '../base/murmur2.ts';
import { type State, stateSymbols } from '../schemas/generated.ts';
import { open, seal } from './cursor-seal.ts';
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
  const { at, epoch, positions, withheld, incomplete } = cursor;
  const digits = positions.map((position) => (position < 0 ? '' : position.toString(36))).join('.');
  const named = [...withheld].map(([key, sent]) => [key, sent.epoch, sent.version, sent.state]);
  const text = [
    seal(`${at} ${epoch} ${digits}|`, at),
    ...(named.length === 0 ? [] : [Buffer.from(JSON.stringify(named)).toString('base64url')]),
    ...(incomplete ? ['x'] : []),
  ].join('.');
  return `${text}.${sumOf(text)}`;
}

const sumOf = (text: string): string => (murmur2(Buffer.from(text, 'latin1')) >>> 0).toString(36);

/** One that tells nothing: resuming from it takes a snapshot. */
const ofNoUse: Cursor = { at: 0, epoch: 0, positions: [], withheld: new Map(), incomplete: true };

/** Throws BAD_INPUT for what is not one of ours. */
export function decodeCursor(text: string): Cursor {
  if (text.length > CURSOR_CHARS_MAX) throw garbled();
  if (isOfBefore(text)) return ofNoUse;
  const [, all = '', sealed = '', named, x, sum] =
    /^(([A-Za-z0-9_-]{40,})(?:\.([A-Za-z0-9_-]{2,}))?(\.x)?)\.([a-z0-9]{1,7})$/.exec(text) ?? [];
  if (sum === undefined || sumOf(all) !== sum) throw garbled();
  const withheld = named === undefined ? new Map<string, Sent>() : withheldOf(jsonOf(named));
  const opened = open(sealed);
  if (opened === null) return ofNoUse;
  const [, at = '', epoch = '', digits = ''] = /^(\d+) (\d+) ([0-9a-z.]*)\|$/.exec(opened) ?? [];
  const positions = digits.split('.').map((one) => (one === '' ? -1 : Number.parseInt(one, 36)));
  return { at: Number(at), epoch: Number(epoch), positions, withheld, incomplete: x !== undefined };
}

/** base64url of `{"v":1,…}`: what gateways gave out before cursors were sealed. */
function isOfBefore(text: string): boolean {
  if (!/^eyJ2Ijox[A-Za-z0-9_-]+$/.test(text)) return false;
  const { v, t, p } = jsonOf(text) as { v?: unknown; t?: unknown; p?: unknown };
  if (v !== 1 || !isWhole(t) || typeof p !== 'string') throw garbled();
  return true;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw garbled();
  }
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
