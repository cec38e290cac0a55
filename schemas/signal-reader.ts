/**
 * Reads a Signal as today's schema has it: the same as avsc in little more than half the time, and out of the batch
 * that it came in, without a view of its own.
 *
 * **It says yes or nothing.** Where anything is not as it should be (bytes that end too early or go on, a number that is too
 * long, an index that no union or enum has) it answers null, and avsc, asked again, says what is wrong or reads it. So a value
 * that it reads is the one that avsc reads (signal-reader.test.ts), and a refusal is always avsc's.
 *
 * The fields are read in the schema's order; `signal.avsc` and this file change together (its test compares the schema).
 */
import type { Signal, SignalKind, Source, State } from './generated.ts';
import { signalKindSymbols, sourceSymbols, stateSymbols } from './generated.ts';
import { readString, Strings } from './strings.ts';

const BAD = -1;
const kinds: readonly SignalKind[] = signalKindSymbols;
const states: readonly State[] = stateSymbols;
const sources: readonly Source[] = sourceSymbols;

export class SignalReader {
  readonly #strings = new Strings();
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #failed = false;

  /** The value in [at, end); null: ask avsc. */
  read(bytes: Buffer, at: number, end: number): Signal | null {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.#failed = false;
    const kind = kinds[this.#index(kinds.length)] as SignalKind;
    const user_id = this.#string();
    const gateway_id = this.#known();
    const ordinal = this.#long();
    const received_at = this.#long();
    const held_ms = this.#long();
    const device_id = this.#isThere() ? this.#known() : null;
    const session_id = this.#isThere() ? this.#string() : null;
    const connection_id = this.#isThere() ? this.#string() : null;
    const seq = this.#isThere() ? this.#long() : null;
    const state = this.#isThere() ? (states[this.#index(states.length)] as State) : null;
    const source = this.#isThere() ? (sources[this.#index(sources.length)] as Source) : null;
    const ttl_ms = this.#isThere() ? this.#long() : null;
    const restated = this.#boolean();
    const silent_ms = this.#isThere() ? this.#long() : null;
    const devices = this.#isThere() ? this.#long() : null;
    const devices_hash = this.#isThere() ? this.#long() : null;
    const restated_from = this.#isThere() ? this.#long() : null;
    const override_id = this.#isThere() ? this.#string() : null;
    const until = this.#isThere() ? this.#long() : null;
    const ttl_s = this.#isThere() ? this.#double() : null;
    const reason = this.#isThere() ? this.#string() : null;
    const actor = this.#isThere() ? this.#string() : null;
    const epoch = this.#isThere() ? this.#long() : null;
    if (this.#failed || this.#at !== this.#end) return null;
    return {
      kind,
      user_id,
      gateway_id,
      ordinal,
      received_at,
      held_ms,
      device_id,
      session_id,
      connection_id,
      seq,
      state,
      source,
      ttl_ms,
      restated,
      silent_ms,
      devices,
      devices_hash,
      restated_from,
      override_id,
      until,
      ttl_s,
      reason,
      actor,
      epoch,
    };
  }

  #byte(): number {
    if (this.#at >= this.#end) {
      this.#failed = true;
      return BAD;
    }
    this.#at += 1;
    return this.#bytes[this.#at - 1] as number;
  }

  /** A union of null and one other: whether it is the other. Their indexes, 0 and 1, are the bytes 0 and 2. */
  #isThere(): boolean {
    const byte = this.#byte();
    if (byte === 2) return true;
    if (byte !== 0) this.#failed = true;
    return false;
  }

  #boolean(): boolean {
    const byte = this.#byte();
    if (byte > 1) this.#failed = true;
    return byte === 1;
  }

  /** An enum's, which fits one byte. */
  #index(count: number): number {
    const byte = this.#byte();
    if ((byte & 0x81) === 0 && byte < count * 2) return byte >> 1;
    this.#failed = true;
    return 0;
  }

  /** Zigzag. */
  #long(): number {
    let byte = this.#byte();
    let low = byte & 0x7f;
    let shift = 7;
    // Four bytes are 28 bits, which shifts can do.
    while (byte >= 0x80 && shift < 28) {
      byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      shift += 7;
    }
    if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    let high = 0;
    let scale = 1;
    while (byte >= 0x80) {
      byte = this.#byte();
      if (scale > 0x0fff_ffff) this.#failed = true;
      if (this.#failed) return 0;
      high += (byte & 0x7f) * scale;
      scale *= 0x80;
    }
    // What is beyond 2^53 before it is halved avsc rounds, each way it does.
    if (high > 0x01ff_ffff) this.#failed = true;
    const half = high * 0x0800_0000 + (low >>> 1);
    return (low & 1) === 0 ? half : -half - 1;
  }

  #double(): number {
    if (this.#end - this.#at < 8) {
      this.#failed = true;
      return 0;
    }
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  #string(): string {
    const length = this.#length();
    return readString(this.#bytes, this.#at - length, length);
  }

  /** Of few different ones. */
  #known(): string {
    const length = this.#length();
    return this.#strings.read(this.#bytes, this.#at - length, length);
  }

  /** How many bytes come; they are passed over. */
  #length(): number {
    const length = this.#long();
    if (length < 0 || length > this.#end - this.#at) {
      this.#failed = true;
      return 0;
    }
    this.#at += length;
    return length;
  }
}
