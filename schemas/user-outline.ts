/**
 * What must be known of a user's record without making an object of it: when something falls due, and who holds its devices.
 */
import type { ValueCodec } from './codec.ts';
import type { UserState } from './generated.ts';
import { holdingHash } from './holdings.ts';

/** Filled in by `UserRecords.outline`; one object serves for any number of records. */
export class UserOutline {
  /** The earliest deadline on the lease clock: of a device's ttl, grace or forgetting, or a ghost's grace. Infinity for none. */
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

export function userRecords(codec: Pick<ValueCodec<UserState>, 'decode' | 'encode'>): UserRecords {
  return { decode: (bytes) => codec.decode(bytes), outline: (bytes, into) => outlineOf(codec.decode(bytes), into) };
}

/** The outline of a decoded record: what the skimmer must say too. */
export function outlineOf(user: UserState, into: UserOutline): void {
  into.clear();
  into.devices = user.devices.length;
  into.stamp = user.override?.until ?? Number.POSITIVE_INFINITY;
  for (const { device_id, connection_id, gateway_id, ttl_lease, grace_lease, forget_lease } of user.devices) {
    for (const deadline of [ttl_lease, grace_lease, forget_lease])
      if (deadline !== null && deadline < into.lease) into.lease = deadline;
    if (connection_id !== null && gateway_id !== null)
      into.holds(gateway_id, holdingHash(user.user_id, device_id, connection_id));
  }
  for (const { grace_lease } of user.public.ghosts ?? []) if (grace_lease < into.lease) into.lease = grace_lease;
}
