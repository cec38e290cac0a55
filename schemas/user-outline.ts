/**
 * What must be known of a user's record without making an object of it: when something falls due, and who holds its devices.
 *
 * **Model.** The skimmer steps over the Avro of today's UserState (user-state.avsc) field by field, and reads the few that
 * count: a restore of a million records asks for a million outlines, and to decode one takes five times as long. It knows
 * the fields' order by heart; a test holds it against avsc. It answers only for what fits to the last byte.
 */

import { murmur2 } from '../base/murmur2.ts';
import type { ValueCodec } from './codec.ts';
import type { UserState } from './generated.ts';
import { holdingHash } from './holdings.ts';
import { Strings } from './strings.ts';

/** Filled in by `UserRecords.outline`; one object serves for any number of records. */
export class UserOutline {
  /** The earliest deadline on the lease clock: a device's ttl, grace, silence or forgetting, a ghost's grace. Infinity: none. */
  lease = Number.POSITIVE_INFINITY;
  /** The earliest deadline that is a stamp: the end of the override. Infinity for none. */
  stamp = Number.POSITIVE_INFINITY;
  devices = 0;
  /** Devices that a connection holds: that many of `gateways` and `hashes` count, the rest is of other records. */
  held = 0;
  /** The gateway that holds it. */
  readonly gateways: string[] = [];
  /** The holding's hash (holdings.ts). */
  readonly hashes: number[] = [];

  clear(): void {
    this.lease = this.stamp = Number.POSITIVE_INFINITY;
    this.devices = this.held = 0;
  }

  holds(gatewayId: string, hash: number): void {
    this.gateways[this.held] = gatewayId;
    this.hashes[this.held] = hash;
    this.held += 1;
  }
}

/** User records as bytes, to be read whole or in outline. */
export interface UserRecords {
  decode(bytes: Buffer): UserState;
  /** Throws UNDECODABLE, as `decode` does. */
  outline(bytes: Buffer, into: UserOutline): void;
}

/** Records as this codec writes them are skimmed; of another schema, or faulty, they are decoded. */
export function userRecords(codec: Pick<ValueCodec<UserState>, 'decode' | 'encode'>): UserRecords {
  const header = codec.encode(NOBODY).subarray(0, HEADER);
  const skimmer = new Skimmer();
  return {
    decode: (bytes) => codec.decode(bytes),
    outline: (bytes, into) => {
      if (header.compare(bytes, 0, HEADER) !== 0 || !skimmer.read(bytes, into)) outlineOf(codec.decode(bytes), into);
    },
  };
}

/** The outline of a decoded record: what the skimmer must say too. */
export function outlineOf(user: UserState, into: UserOutline): void {
  into.clear();
  into.devices = user.devices.length;
  into.stamp = user.override?.until ?? Number.POSITIVE_INFINITY;
  for (const device of user.devices) {
    const { device_id, connection_id, gateway_id, ttl_lease, grace_lease, forget_lease, silence_lease } = device;
    for (const deadline of [ttl_lease, grace_lease, forget_lease, silence_lease])
      if (deadline !== null && deadline < into.lease) into.lease = deadline;
    if (connection_id !== null && gateway_id !== null)
      into.holds(gateway_id, holdingHash(user.user_id, device_id, connection_id));
  }
  for (const { grace_lease } of user.public.ghosts ?? []) if (grace_lease < into.lease) into.lease = grace_lease;
}

/** Before the value: a zero byte and the schema's id (codec.ts). */
const HEADER = 5;
const NEVER = Number.POSITIVE_INFINITY;
const NEWLINE = 10;

const NOBODY: UserState = {
  user_id: '',
  epoch: 0,
  version: 0,
  state: 'offline',
  source: 'inferred',
  since: 0,
  last_seen: null,
  devices_live: 0,
  streaming: false,
  override: null,
  devices: [],
  public: {
    version: 0,
    state: 'offline',
    source: 'inferred',
    since: 0,
    last_seen: null,
    devices_live: 0,
    streaming: false,
    ghosts: null,
  },
  log: 0,
  offset: 0,
};

/** Beyond its end a buffer reads as zeros: faulty bytes are noticed by where the reading ends. */
class Skimmer {
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private readonly gateways = new Strings();
  /** What a holding's hash is taken of: user, device and connection (holdings.ts). */
  private holding = Buffer.alloc(1_024);

  /** False: not of this schema, whatever its header says. */
  read(bytes: Buffer, into: UserOutline): boolean {
    this.bytes = bytes;
    this.at = HEADER;
    into.clear();
    const userLength = this.length();
    const user = this.at;
    this.at += userLength;
    this.skip(5); // epoch, version, state, source, since
    this.skipOptional(); // last_seen
    this.skip(2); // devices_live, streaming
    if (this.long() === 1) this.override(into);
    for (let left = this.block(); left > 0; left = left === 1 ? this.block() : left - 1) {
      into.devices += 1;
      this.device(into, user, userLength);
    }
    this.skip(4); // version, state, source, since of the public view
    this.skipOptional(); // last_seen
    this.skip(2); // devices_live, streaming
    if (this.long() === 1) for (let left = this.block(); left > 0; left = left === 1 ? this.block() : left - 1) this.ghost(into);
    this.skip(2); // log, offset
    return this.at === bytes.length;
  }

  private override(into: UserOutline): void {
    this.skipString(); // override_id
    this.skip(1); // state
    into.stamp = this.deadline(); // until
    this.skipOptionalString(); // reason
    this.skip(1); // set_at
    this.skipOptionalString(); // actor
  }

  private device(into: UserOutline, user: number, userLength: number): void {
    const deviceLength = this.length();
    const device = this.at;
    this.at += deviceLength;
    this.skipString(); // session_id
    this.skip(4); // seq, state, source, last_seen
    let connection = -1;
    let connectionLength = 0;
    if (this.long() === 1) {
      connectionLength = this.length();
      connection = this.at;
      this.at += connectionLength;
    }
    if (this.long() === 1) {
      const length = this.length();
      const gateway = this.at;
      this.at += length;
      if (connection >= 0 && this.at <= this.bytes.length) {
        const hash = this.hash(user, userLength, device, deviceLength, connection, connectionLength);
        into.holds(this.gateways.read(this.bytes, gateway, length), hash);
      }
    }
    this.skip(1); // hold_ordinal
    // ttl, grace, forget, silence
    into.lease = Math.min(into.lease, this.deadline(), this.deadline(), this.deadline(), this.deadline());
    this.skip(1); // spoke_at
    this.skipOptionalString(); // trace
    for (let left = this.block(); left > 0; left = left === 1 ? this.block() : left - 1) {
      this.skipString(); // session_id
      this.skip(1); // until_lease
    }
  }

  private ghost(into: UserOutline): void {
    this.skipString(); // device_id
    this.skip(2); // state, source
    into.lease = Math.min(into.lease, this.long()); // grace_lease
    this.skipOptionalString(); // trace
  }

  private hash(
    user: number,
    userLength: number,
    device: number,
    deviceLength: number,
    connection: number,
    length: number,
  ): number {
    const size = userLength + deviceLength + length + 2;
    if (size > this.holding.length) this.holding = Buffer.alloc(size * 2);
    const { holding, bytes } = this;
    bytes.copy(holding, 0, user, user + userLength);
    holding[userLength] = NEWLINE;
    bytes.copy(holding, userLength + 1, device, device + deviceLength);
    holding[userLength + 1 + deviceLength] = NEWLINE;
    bytes.copy(holding, userLength + deviceLength + 2, connection, connection + length);
    return murmur2(holding.subarray(0, size)) >>> 0;
  }

  /** A variable-length number, zigzag: exact up to 2^53. */
  private long(): number {
    const { bytes } = this;
    let byte = bytes[this.at] as number;
    this.at += 1;
    let value = byte & 0x7f;
    for (let factor = 128; byte >= 0x80; factor *= 128) {
      byte = bytes[this.at] as number;
      this.at += 1;
      value += (byte & 0x7f) * factor;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Null or a number: Infinity for null. */
  private deadline(): number {
    return this.long() === 1 ? this.long() : NEVER;
  }

  /** So many numbers; a boolean, and a state, is one. */
  private skip(numbers: number): void {
    const { bytes } = this;
    let { at } = this;
    for (let left = numbers; left > 0; left -= 1) {
      while ((bytes[at] as number) >= 0x80) at += 1;
      at += 1;
    }
    this.at = at;
  }

  private skipString(): void {
    const length = this.length();
    this.at += length;
  }

  /** Of a string; one below 0 is faulty, and must not lead back to what has been read. */
  private length(): number {
    const length = this.long();
    if (length >= 0) return length;
    this.at = this.bytes.length + 1;
    return 0;
  }

  private skipOptional(): void {
    if (this.long() === 1) this.skip(1);
  }

  private skipOptionalString(): void {
    if (this.long() === 1) this.skipString();
  }

  /** Items of an array's next block; 0 ends it. */
  private block(): number {
    let items = this.long();
    if (items < 0) {
      items = -items;
      this.skip(1); // the block's bytes
    }
    if (items <= this.bytes.length - this.at) return items;
    this.at = this.bytes.length + 1; // An item is a byte at least: faulty.
    return 0;
  }
}
