/** The plainest image there is (processors/stored.ts): what drivers and laws keep; the runtime has one of bytes alone. */
import type { StoredRecords } from '../../processors/stored.ts';
import type { UserState } from '../../schemas/generated.ts';
import { outlineOf, type UserRecords } from '../../schemas/user-outline.ts';

export class StoredMap implements StoredRecords {
  private readonly slots = new Map<string, number>();
  private readonly keys: string[] = [];
  private readonly values: Buffer[] = [];

  get size(): number {
    return this.keys.length;
  }

  put(key: string, value: Buffer): void {
    const slot = this.slots.get(key) ?? this.keys.length;
    this.slots.set(key, slot);
    this.keys[slot] = key;
    this.values[slot] = value;
  }

  find(key: string): number {
    return this.slots.get(key) ?? -1;
  }

  keyOf(slot: number): string {
    return this.keys[slot] as string;
  }

  valueOf(slot: number): Buffer {
    return this.values[slot] as Buffer;
  }

  each(visit: (slot: number) => void): void {
    for (let slot = 0; slot < this.keys.length; slot += 1) visit(slot);
  }
}

/** Records as JSON, where no codec is at hand. */
export const jsonRecords: UserRecords & { encode(value: UserState): Buffer } = {
  encode: (value) => Buffer.from(JSON.stringify(value)),
  decode: (bytes) => JSON.parse(bytes.toString()) as UserState,
  outline: (bytes, into) => outlineOf(JSON.parse(bytes.toString()) as UserState, into),
};
