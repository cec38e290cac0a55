/**
 * What the stages of one partition share: its users and gateways, the timers over them, the counters, and what is
 * to be told to gateways. Each stage writes only its own part (record.ts).
 */
import type { Delivery, Signal, SignalKind, UserState } from '../schemas/generated.ts';
import { BeatQueue } from './beats.ts';
import type { Gateway } from './gateway.ts';
import type { User } from './record.ts';
import type { FieldOf } from './stage.ts';
import type { UserImage } from './stored.ts';
import { Timers } from './timers.ts';
import { Users } from './users.ts';

export interface Counts {
  /** By kind. */
  readonly signals: Record<SignalKind, number>;
  duplicates: number;
  ignored: number;
  ordinalsMissing: number;
  ordinalsRepeated: number;
  holes: number;
  leapsBack: number;
  cuts: number;
  timersFired: number;
}

const noCounts = (): Counts => ({
  signals: {
    hello: 0,
    heartbeat: 0,
    goodbye: 0,
    silence: 0,
    override_set: 0,
    override_cleared: 0,
    marker: 0,
    tick: 0,
    cut: 0,
  },
  duplicates: 0,
  ignored: 0,
  ordinalsMissing: 0,
  ordinalsRepeated: 0,
  holes: 0,
  leapsBack: 0,
  cuts: 0,
  timersFired: 0,
});

/** How a partition's time is cut into windows; set by windowedPrecedence. */
export interface Cells {
  window: number;
  /** Partition p cuts this much later than p - 1, so that not all commit at once. */
  stagger: number;
}

/** The fields by which repeats are told; set by dedupe. */
export interface RepeatFields {
  by: FieldOf<Signal, number | null>;
  within: FieldOf<Signal, string | null>;
}

export class Scope {
  readonly partition: number;
  readonly gateways = new Map<string, Gateway>();
  /** Deadlines on the lease clock: gateways, devices, ghosts. */
  readonly leaseTimers = new Timers();
  /** Deadlines that are stamps: overrides. */
  readonly stampTimers = new Timers();
  readonly users: Users;
  readonly beats = new BeatQueue();
  readonly cells: Cells = { window: 200, stagger: 0 };
  readonly fields: RepeatFields = { by: 'seq', within: 'session_id' };
  /** A beat that is not written is so long after it came; set by diff. */
  flush = 30_000;
  epoch = 0;
  /** The ledger over all gateways ever. */
  missing = 0;
  repeated = 0;
  devices = 0;
  /** Users that changed since the last cut. */
  touched: User[] = [];
  controls: Delivery[] = [];
  counts: Counts = noCounts();

  constructor(partition: number, image: UserImage | null = null) {
    this.partition = partition;
    this.users = new Users(image, this);
  }

  takeCounts(): Counts {
    const { counts } = this;
    this.counts = noCounts();
    return counts;
  }

  touch(user: User): void {
    if (user.touched) return;
    user.touched = user.used = true;
    this.touched.push(user);
  }

  /** Tells a living gateway that this connection does not speak for the device. */
  tellLost(gatewayId: string, userId: string, deviceId: string, connectionId: string): void {
    this.controls.push({
      kind: 'lost',
      gateway_id: gatewayId,
      user_id: userId,
      device_id: deviceId,
      connection_id: connectionId,
      partition: this.partition,
    });
  }

  tellRestate(gatewayId: string): void {
    this.controls.push({
      kind: 'restate',
      gateway_id: gatewayId,
      user_id: null,
      device_id: null,
      connection_id: null,
      partition: this.partition,
    });
  }
}

/** A record to be written, not yet encoded. */
export interface Written<V> {
  readonly key: string;
  readonly value: V;
  readonly traceparent?: string;
}

export type StateRecord = Written<UserState>;
