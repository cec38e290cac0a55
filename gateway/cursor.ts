/**
 * A cursor: what a connection has been told of, as positions in presence.diffs. Opaque to clients; any gateway of this
 * region can read it, since in broadcast mode all of them follow the same topic.
 *
 * base64url of JSON: `{v, t, e, p, x?}`. A cursor is a position, no secret and no permission: a forged one yields
 * diffs of users whom its bearer may watch anyway.
 */
import { badInput } from './devices-speaker.ts';

export interface Cursor {
  /** When it was made: the gateway's clock, ms. */
  readonly at: number;
  /** The newest epoch seen in a diff by then; 0: none seen. */
  readonly epoch: number;
  /** By partition: every diff below this offset has been told. */
  readonly positions: readonly number[];
  /** Something was still to be told (a snapshot under way, a slow reader's newest states): resuming from it takes a snapshot. */
  readonly incomplete: boolean;
}

/** Longer ones are not ours: 1,024 partitions with nine digits each. */
const CURSOR_CHARS_MAX = 16_384;

export function encodeCursor(cursor: Cursor): string {
  const json = {
    v: 1,
    t: cursor.at,
    e: cursor.epoch,
    p: cursor.positions.map((position) => position.toString(36)).join('.'),
    ...(cursor.incomplete ? { x: 1 } : {}),
  };
  return Buffer.from(JSON.stringify(json)).toString('base64url');
}

/** Throws BAD_INPUT for what is not one of ours. */
export function decodeCursor(text: string): Cursor {
  if (text.length > CURSOR_CHARS_MAX || !/^[A-Za-z0-9_-]+$/.test(text)) throw garbled();
  let json: { v?: unknown; t?: unknown; e?: unknown; p?: unknown; x?: unknown } | null;
  try {
    json = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw garbled();
  }
  if (typeof json !== 'object' || json === null || json.v !== 1 || typeof json.p !== 'string') throw garbled();
  const { t, e, p } = json;
  if (!isWhole(t) || !isWhole(e) || !/^[0-9a-z]{1,11}(\.[0-9a-z]{1,11})*$/.test(p)) throw garbled();
  const positions = p.split('.').map((digits) => Number.parseInt(digits, 36));
  if (!positions.every(isWhole)) throw garbled();
  return { at: t, epoch: e, positions, incomplete: json.x === 1 };
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const garbled = () => badInput('cursor: not one that a gateway gave');
