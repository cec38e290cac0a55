/** Chooses the policy, and puts the fan-out under it: with everyone in the tenant allowed, nothing stands in between. */
import type { Audit } from './audit.ts';
import { createFanOut } from './fan-out.ts';
import type { FanOutMode, FanOutOptions } from './fan-out-options.ts';
import type { Connection, FanOut, Reads } from './parts.ts';
import { askerOf, PolicedFanOut } from './policed.ts';
import { type CustomPolicy, claimPolicy, contactsPolicy, customPolicy, maySee, type WatchPolicy } from './policy.ts';

export interface PolicyChoice
  extends Omit<FanOutOptions, 'readPresences' | 'maySee' | 'onListChange' | 'mode' | 'gatewayId' | 'audit'> {
  readonly fanOut?: FanOutMode;
  readonly watchPolicy?: 'tenant' | 'contacts' | 'claim' | CustomPolicy;
}

export interface Policed {
  readonly fanOut: FanOut;
  /** null: everyone in the tenant. */
  readonly policy: WatchPolicy | null;
}

/** As createFanOut. */
export async function createPolicedFanOut(
  options: PolicyChoice,
  reads: Pick<Reads, 'presences'>,
  gatewayId: string,
  audit?: Audit,
): Promise<Policed> {
  const { log, codecs, logger, fanOut: mode = 'broadcast', watchPolicy = 'tenant', pushRate } = options;
  const given = { ...(pushRate === undefined ? {} : { pushRate }), ...(audit === undefined ? {} : { audit }) };
  const parts = { log, codecs, logger, readPresences: reads.presences, mode, gatewayId, ...given };
  if (watchPolicy === 'tenant') return { fanOut: await createFanOut(parts), policy: null };
  const policy: WatchPolicy =
    watchPolicy === 'claim'
      ? claimPolicy
      : watchPolicy === 'contacts'
        ? contactsPolicy((key) => policed?.interest(key) ?? [])
        : customPolicy(watchPolicy, logger);
  let policed: PolicedFanOut | undefined;
  const inner = await createFanOut({
    ...parts,
    maySee: (connection: Connection, key: string) => maySee(policy, askerOf(connection), key),
    onListChange: (watcher, added, removed) => policed?.listHasChanged(watcher, added, removed),
  });
  policed = new PolicedFanOut(inner, { policy, logger, ...(audit === undefined ? {} : { audit }) });
  return { fanOut: policed, policy };
}
