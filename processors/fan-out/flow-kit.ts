/** For tests of the fan-out stages: diffs, wishes and users of a small world, made of what a test says of them. */
import type { Audience, Diff, State, UserState } from '../../schemas/generated.ts';
import type { Change, FlowStage, Wish } from './flow.ts';

export const EPOCH = 7;
const T0 = 1_700_000_000_000;
/** A stamp, so many seconds after the beginning. */
export const at = (seconds: number): number => T0 + Math.round(seconds * 1_000);

type Said = Partial<Diff> & { readonly offset?: number; readonly seconds?: number };

/** A change of `user` to `version` in each view that sees it. */
export function change(user: string, version: number, { offset = version, seconds = offset, ...more }: Said = {}): Change {
  const diff: Diff = {
    user_id: user,
    audience: 'all',
    from: 'offline',
    to: 'online',
    at: at(seconds),
    epoch: EPOCH,
    version,
    public_version: version,
    cause: 'signal',
    source: 'app',
    device_id: null,
    trace_id: null,
    received_at: 0,
    log: 0,
    ...more,
    offset: 0,
  };
  return { diff, offset, stamp: at(seconds) };
}

/** The record of presence.state of one whom both views see alike. */
export const stateOf = (user_id: string, version: number, state: State): UserState =>
  ({
    ...{ user_id, epoch: EPOCH, version, state, source: 'app', since: at(0) },
    public: { version, state, source: 'app', since: at(0) },
  }) as UserState;

/** A mark of life, if nothing else is said. */
export const wish = (gateway_id: string, number: number, more: Partial<Wish> = {}): Wish => ({
  ...{ gateway_id, number, anew: false, whole: true, add: [], remove: [] },
  ...more,
});

/** A stage in a partition; what it has said is taken by `said`, each time from where it was. */
export function bound<A, B>(stage: FlowStage<A, B>) {
  const place = { restoring: false };
  let out: B[] = [];
  const one = stage.bind(place, (event) => out.push(event));
  const said = (): readonly B[] => {
    const taken = out;
    out = [];
    return taken;
  };
  return { one, place, said };
}

export const seenBy = (audience: Audience): string => (audience === 'all' ? '' : ` ${audience}`);
