/**
 * The number and hash of the devices that a gateway holds on a partition, as its markers carry them and
 * the topology compares them (architecture: "a wrong picture repairs itself"). The hash is the sum,
 * modulo 2^32, of one 32-bit hash a holding: order does not matter, adding and removing is one step.
 */
import { murmur2 } from '../base/murmur2.ts';

const encoder = new TextEncoder();

/** The hash of one holding. */
export const holdingHash = (userKey: string, deviceId: string, connectionId: string): number =>
  murmur2(encoder.encode(`${userKey}\n${deviceId}\n${connectionId}`)) >>> 0;

export interface Holdings {
  devices: number;
  hash: number;
}

export const addHolding = (holdings: Holdings, hash: number): void => {
  holdings.devices += 1;
  holdings.hash = (holdings.hash + hash) % 0x1_0000_0000;
};

export const removeHolding = (holdings: Holdings, hash: number): void => {
  holdings.devices -= 1;
  holdings.hash = (holdings.hash - hash + 0x1_0000_0000) % 0x1_0000_0000;
};
