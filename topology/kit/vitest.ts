/**
 * Scenarios in vitest.
 *
 * ```ts
 * import { expect, test } from 'vitest';
 * import { toPlay } from './kit/vitest.ts';
 *
 * expect.extend({ toPlay });
 * test('who says goodbye is offline a second later', () => {
 *   expect(presence).toPlay(`
 *     0s   g1 lives
 *     0.1s ada/phone hello
 *     = 0.1s ada offline>online v1 signal inferred
 *     5s   ada/phone goodbye
 *     = 6s ada online>offline v2 goodbye inferred
 *     7s   tick`);
 * });
 * ```
 * A failure shows the steps whose answers differ. Beyond tables there is the driver (driver.ts): `new Driver(presence)` has
 * `feed`, `checkpoint` and `restart`, and what would be in the topics as `states`, `diffs` and `controls`; `filled` gives
 * it users to begin with, and `storeOf` reads what a stage's store holds of a user, by the store's name.
 */
import type { Device, UserState } from '../../schemas/generated.ts';
import { Driver } from './driver.ts';
import type { PlayOptions } from './scenario.ts';
import { check } from './scenario-check.ts';
import type { Topology } from './topology.ts';

interface Result {
  readonly pass: boolean;
  readonly message: () => string;
}

/** A matcher for expect.extend. */
export function toPlay(topology: Pick<Topology, 'processor'>, table: string, options: PlayOptions = {}): Result {
  const { differences } = check(topology, { title: '', path: 'table', line: 1, text: table }, options);
  return {
    pass: differences.length === 0,
    message: () =>
      differences.length === 0
        ? 'The table plays as written, and was expected not to.'
        : `What came is not what the table says:\n${differences.join('\n')}`,
  };
}

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: vitest's own declaration, which this one is merged with, has it
  interface Matchers<T = any> {
    /** The topology gives the answers that stand in the table. */
    toPlay(table: string, options?: PlayOptions): T;
  }
}

/** A driver that begins with these users, as a restored partition does. */
export function filled(topology: Pick<Topology, 'processor'>, users: readonly UserState[]): Driver {
  const driver = new Driver(topology);
  for (const user of users) driver.states.set(user.user_id, user);
  driver.restart();
  return driver;
}

/** Which fields of a user's record, and of its devices, belong to which part (processors/record.ts). */
const parts = {
  sessions: { user: [], device: ['session_id', 'seq', 'spoke_at', 'replaced'] },
  claims: { user: ['override'], device: ['state', 'source'] },
  life: {
    user: ['last_seen'],
    device: [
      'last_seen',
      'connection_id',
      'gateway_id',
      'hold_ordinal',
      'ttl_lease',
      'grace_lease',
      'forget_lease',
      'silence_lease',
      'trace',
    ],
  },
  emitted: { user: ['state', 'source', 'since', 'version', 'epoch', 'public'], device: [] },
} as const satisfies Record<string, { readonly user: readonly (keyof UserState)[]; readonly device: readonly (keyof Device)[] }>;

/** What a store holds of a user, as last written: the record's fields that are its part, and those of each device by id. */
export interface Stored {
  readonly user: Readonly<Partial<UserState>>;
  readonly devices: Readonly<Record<string, Partial<Device>>>;
}

/** null: nothing was written of this user. Throws for a name that no stage's store has. */
export function storeOf(topology: Pick<Topology, 'spec'>, driver: Driver, store: string, userId: string): Stored | null {
  const all = topology.spec.stages.flatMap(({ stores }) => stores);
  const part = all.find(({ name }) => name === store)?.part as keyof typeof parts | undefined;
  if (part === undefined || parts[part] === undefined)
    throw new Error(`There is no store ${store}: the topology has ${all.map(({ name }) => name).join(', ')}.`);
  const record = driver.states.get(userId);
  if (record === undefined) return null;
  const pick = <T extends object>(from: T, keys: readonly (keyof T)[]): Partial<T> =>
    Object.fromEntries(keys.map((key) => [key, from[key]])) as Partial<T>;
  return {
    user: pick(record, parts[part].user),
    devices: Object.fromEntries(record.devices.map((device) => [device.device_id, pick(device, parts[part].device)])),
  };
}
