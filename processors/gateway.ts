/** The gateways that a partition has heard of. */
import type { GatewayLease } from '../schemas/generated.ts';
import type { Holdings } from '../schemas/holdings.ts';
import { NEVER, type Timed } from './timers.ts';

/** A gateway's lease, its ordinals, and the number and hash of what it holds here. */
export class Gateway implements GatewayLease, Timed {
  readonly gateway_id: string;
  stamp = 0;
  lease = 0;
  dead = false;
  ordinal = 0;
  missing = 0;
  repeated = 0;

  readonly holdings: Holdings = { devices: 0, hash: 0 };
  /** When it was last asked to restate; not kept in the record (asking once more is harmless). */
  restateAsked: number | null = null;
  armed = NEVER;
  place = -1;
  /** When it is dead, or when it is forgotten; set by offlineTimeout. */
  due = NEVER;

  constructor(gatewayId: string) {
    this.gateway_id = gatewayId;
  }

  get timerClass(): number {
    return 1;
  }

  get timerKey(): string {
    return this.gateway_id;
  }

  get timerSubKey(): string {
    return '';
  }

  deadline(): number {
    return this.due;
  }

  /** It lives, and was heard at this very moment: to hear it again says nothing more. */
  heardAt({ stamp, lease }: { readonly stamp: number; readonly lease: number }): boolean {
    return this.stamp === stamp && this.lease === lease && !this.dead;
  }

  record(): GatewayLease {
    const { gateway_id, stamp, lease, dead, ordinal, missing, repeated } = this;
    return { gateway_id, stamp, lease, dead, ordinal, missing, repeated };
  }
}
