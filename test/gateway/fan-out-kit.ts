/** A fan-out in either mode over a small world, and how what it sends is read: for suites that run in both. */
import { afterEach, beforeEach } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createFanOut } from '../../gateway/fan-out.ts';
import type { FanOutMode, FanOutOptions } from '../../gateway/fan-out-options.ts';
import type { FanOut, PolicableFanOut } from '../../gateway/parts.ts';
import type { JoinedRunner } from '../../runtime/joined.ts';
import type { Diff } from '../../schemas/generated.ts';
import type { DiffView, Presence } from '../../schemas/presence.ts';
import { type Bench, bench, FakeConnection, runFanOut } from './parts-kit.ts';
import { World } from './truth.ts';

export const modes: readonly FanOutMode[] = ['broadcast', 'routed'];

export interface Stage {
  /** Of the test that runs. */
  readonly world: World;
  /** Into the log, as the topology writes them. */
  diffs(diffs: readonly Diff[]): Promise<void>;
  /** Of the mode; it is closed after the test. */
  gateway(options?: Partial<FanOutOptions>): Promise<PolicableFanOut>;
  connect(to: FanOut, user: string, id?: string): Promise<FakeConnection>;
}

/** For the suite that calls it: a new log and world, and the topology in routed mode, before each test. */
export function stage(mode: FanOutMode): Stage {
  let on: Bench;
  let world: World;
  let open: FanOut[] = [];
  let runner: JoinedRunner | null = null;
  beforeEach(async () => {
    on = await bench({ partitions: 3 });
    world = new World();
    if (mode === 'routed') runner = await runFanOut(on);
  });
  afterEach(async () => {
    await runner?.close();
    runner = null;
    await Promise.all(open.map((fanOut) => fanOut.close()));
    open = [];
  });
  return {
    get world() {
      return world;
    },
    diffs: (diffs) => on.diffs(diffs),
    async gateway(options = {}) {
      const parts = { log: on.log, codecs: on.codecs, logger: silentLogger, readPresences: world.read, mode };
      const fanOut = await createFanOut({ ...parts, ...options });
      open.push(fanOut);
      await fanOut.ready;
      return fanOut;
    },
    async connect(to, user, id = `c-${user}`) {
      const connection = new FakeConnection(user, id);
      await to.attach(connection);
      return connection;
    },
  };
}

const shown = (presences: readonly Presence[]) =>
  presences.map(({ user_id, state, version }) => `${user_id} ${state} ${version}`);
const told = (diffs: readonly DiffView[]) => diffs.map(({ user_id, from, to, version }) => `${user_id} ${from}>${to} ${version}`);

/** Everything that a connection was sent, frame by frame. */
export const lines = (connection: FakeConnection): string[] =>
  connection.frames.map(
    (frame) => `${frame.type}: ${(frame.type === 'snapshot' ? shown(frame.presences) : told(frame.diffs)).join(', ')}`,
  );
export const diffsOf = (connection: FakeConnection): string[] =>
  connection.frames.flatMap((frame) => (frame.type === 'diffs' ? told(frame.diffs) : []));
export const cursorOf = (connection: FakeConnection): string => connection.frames.at(-1).cursor;
