/**
 * What this gateway's markers say of one partition: the last ordinal given, and the number and hash of
 * the devices held (schemas/holdings.ts).
 *
 * **Model.** The topology counts a device as held from its hello's place in the log to the place of its
 * goodbye or silence. So the bookkeeping here moves with the queue, not with the sockets: the outbox calls
 * `given` for each signal at the moment at which it takes its ordinal, in the order of the queue, and asks for
 * a marker's content at the marker's own place. A hello that was cancelled never comes here. Restated hellos
 * may be refused by the topology (somebody else holds the device): the control `lost` then ends the hold,
 * with a silence that takes its place in the queue like any other.
 */
import type { Signal } from '../schemas/generated.ts';
import { addHolding, type Holdings, holdingHash, removeHolding } from '../schemas/holdings.ts';
import type { SignalDraft } from './parts.ts';

interface Held {
  readonly connectionId: string;
  readonly hash: number;
}

/** One partition's bookkeeping. At most one entry a device held. */
export class PartitionMarks {
  /** The last one given; 0: none yet. */
  #ordinal = 0;
  /** By user key and device id (a line break can stand in neither). */
  readonly #held = new Map<string, Held>();
  readonly #holdings: Holdings = { devices: 0, hash: 0 };
  /** The first ordinal of a restatement that no marker has told of yet. */
  #restatedFrom: number | null = null;

  get ordinal(): number {
    return this.#ordinal;
  }

  get devices(): number {
    return this.#holdings.devices;
  }

  /** The next ordinal is this signal's: counts it, and what it does to the holds. */
  given(signal: Pick<Signal, 'kind' | 'user_id' | 'device_id' | 'connection_id' | 'state'>): void {
    this.#ordinal += 1;
    const { kind, device_id, connection_id } = signal;
    if (device_id === null || connection_id === null) return;
    const key = `${signal.user_id}\n${device_id}`;
    if (kind === 'hello') {
      this.#drop(key);
      // `offline` said is a goodbye: the device is held by nobody after it.
      if (signal.state !== 'offline') this.#hold(key, signal.user_id, device_id, connection_id);
    } else if (kind === 'goodbye' || kind === 'silence' || (kind === 'heartbeat' && signal.state === 'offline')) {
      if (this.#held.get(key)?.connectionId === connection_id) this.#drop(key);
    }
  }

  /** A restatement begins at the next ordinal; the next marker says so. */
  restateFromHere(): void {
    this.#restatedFrom = this.#ordinal + 1;
  }

  /** The marker for this place in the queue. */
  marker(): SignalDraft & { readonly ordinal: number } {
    const restated_from = this.#restatedFrom;
    this.#restatedFrom = null;
    return { ...this.signOfLife(), restated_from };
  }

  /** A marker for behind everything that has its ordinal; it tells of no restatement, which may not be all there yet. */
  signOfLife(): SignalDraft & { readonly ordinal: number } {
    return {
      kind: 'marker',
      user_id: '',
      ordinal: this.#ordinal,
      devices: this.#holdings.devices,
      devices_hash: this.#holdings.hash,
    };
  }

  #hold(key: string, userKey: string, deviceId: string, connectionId: string): void {
    const hash = holdingHash(userKey, deviceId, connectionId);
    this.#held.set(key, { connectionId, hash });
    addHolding(this.#holdings, hash);
  }

  #drop(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    removeHolding(this.#holdings, held.hash);
  }
}
