/**
 * What a changed setting of a built-in stage does. Deadlines stand in records: a setting that is only added to the clock when
 * something happens applies from then on; one that is read when a record is loaded applies at once.
 */
import type { SpecValue, StageSpec } from '../../../processors/stage.ts';
import { setting as printed } from '../describe-text.ts';
import type { SystemSpec } from '../spec.ts';
import { type Change, compatible, equal, rebuild } from './change.ts';

interface Edit {
  readonly stage: StageSpec;
  readonly key: string;
  readonly at: string;
  readonly before: SpecValue | undefined;
  readonly after: SpecValue | undefined;
  readonly stores: readonly string[];
  readonly topics: readonly string[];
}

type Judge = (edit: Edit) => Change;

const REPLAYS = 'A replay across the edit gives other diffs than were given.';

/** A change that can be rolled out; `sameDiffs` false unless said. */
const fine =
  (reason: string | ((edit: Edit) => string), sameDiffs = false): Judge =>
  (edit) =>
    compatible({
      ...shown(edit),
      reason: `${typeof reason === 'string' ? reason : reason(edit)}${sameDiffs ? '' : ` ${REPLAYS}`}`,
      sameDiffs,
    });

/** The place ends with the setting's name: only its value is said. */
const shown = ({ at, key, before, after, stores, topics }: Edit) => {
  const value = (of: SpecValue | undefined): string | null =>
    of === undefined ? null : printed(key, of).slice(key.replace(/_ms$/, '').length + 1);
  return { at, before: value(before), after: value(after), stores, topics };
};

const grows = ({ before, after }: Edit): boolean => Number(after) > Number(before);

/** An order: names that keep their order among each other are decided as before. */
const order: Judge = (edit) => {
  const [old, now] = [edit.before, edit.after] as readonly (readonly string[])[];
  const gone = (old ?? []).filter((name) => !now?.includes(name));
  const added = (now ?? []).filter((name) => !old?.includes(name));
  const kept = (now ?? []).filter((name) => old?.includes(name));
  const moved = !equal(
    kept,
    (old ?? []).filter((name) => now?.includes(name)),
  );
  if (!moved && gone.length === 0)
    return fine(`${added.join(', ')} is new; what was decided among the others stays. No record has it until somebody says it.`)(
      edit,
    );
  const why =
    gone.length > 0
      ? `${gone.join(', ')} has no place any more and ranks below all, and records may hold it`
      : 'Effective states in the records were decided by the old order, and are decided anew only when something ' +
        'happens to their user';
  return rebuild({
    ...shown(edit),
    reason: `${why}: whoever only beats on an open connection would keep the old state for as long as it is open. ${REPLAYS}`,
    sameDiffs: false,
  });
};

const field: Judge = (edit) =>
  rebuild({
    ...shown(edit),
    reason:
      `Each device's record keeps the last ${edit.before}; read as ${edit.after} it would drop what is ` +
      `new or accept repeats. ${REPLAYS}`,
    sameDiffs: false,
  });

export const judges: Readonly<Record<string, Readonly<Record<string, Judge>>>> = {
  dedupe: {
    by: field,
    within: field,
    remember_sessions: fine((edit) =>
      grows(edit)
        ? 'Lists in the records grow as sessions are replaced; sessions already dropped from them are not known again.'
        : 'A longer list in a record stays until a session of that device is replaced, then it is cut.',
    ),
    remember_ms: fine(
      'The end of each replaced session is in its record: sessions replaced from now on are remembered for so long.',
    ),
    devices: fine((edit) =>
      grows(edit)
        ? 'Users may have more devices, and larger records, from now on; newcomers that were not heard are heard at ' +
          'their next signal.'
        : 'Who has more devices keeps them: a newcomer takes the place of one that is dead, and is not heard where all live.',
    ),
  },
  windowedPrecedence: {
    sources: order,
    states: order,
    window_ms: fine(
      'No record holds a window: each partition cuts at the new places from the moment its instance is new, at most ' +
        'one diff per user and cut as ever.',
    ),
    stagger_ms: fine('No record holds it: each partition cuts at its new places from the moment its instance is new.'),
  },
  offlineTimeout: {
    lease_ms: fine((edit) =>
      grows(edit)
        ? 'Records hold when a gateway was last heard, not its deadline: the longer lease holds at once, also for ' +
          'gateways about to die.'
        : 'Records hold when a gateway was last heard, not its deadline: the shorter lease holds at once, and who is ' +
          'silent for longer already ' +
          'is dead at the time at which it would have ended. Instances of both kinds beside each other judge by their own.',
    ),
    grace_ms: fine('The end of a running grace is in the device’s record and stays; goodbyes from now on get the new one.'),
    forget_ms: fine(
      'The moment of forgetting is in the device’s record and stays; devices that stop counting from now on get the new one.',
    ),
    forget_gateway_ms: fine(
      'Worked out anew from when the gateway was last heard: it holds at once. Only dead gateways without devices go.',
      true,
    ),
    restate_ms: fine('Not kept in records. Gateways are asked to restate at the new pace; diffs do not depend on it.', true),
  },
  diff: {
    flush_ms: fine(
      (edit) =>
        'Beats are written ' +
        (grows(edit) ? 'later: a restore reads more of the input. ' : 'sooner: more records, and a shorter restore. ') +
        'Which beats are unwritten is worked out from the log; diffs do not depend on it.',
      true,
    ),
  },
};

/** Every setting of a stage that is there before and after. */
export function settingChanges(at: string, before: StageSpec, after: StageSpec, spec: SystemSpec): readonly Change[] {
  const stores = after.stores.map(({ name }) => name);
  const topics = spec.sinks.filter(({ writes }) => writes !== null).map(({ target }) => target);
  const keys = [...new Set([...Object.keys(after.config), ...Object.keys(before.config)])];
  return keys.flatMap((key) => {
    const [was, is] = [before.config[key], after.config[key]];
    if (equal(was, is)) return [];
    const edit = { stage: after, key, at: `${at}.${key.replace(/_ms$/, '')}`, before: was, after: is, stores, topics };
    return [(judges[after.kind]?.[key] ?? unknownSetting)(edit)];
  });
}

/** A setting of a stage that is the author's own. */
const unknownSetting: Judge = (edit) =>
  edit.stores.length === 0
    ? fine('A stage of your own without a store: no record holds anything of it. It does the new thing from now on.')(edit)
    : rebuild({
        ...shown(edit),
        reason:
          `A stage of your own with the store ${edit.stores.join(', ')}: what its records hold was worked ` +
          `out by the old setting. ${REPLAYS}`,
        sameDiffs: false,
      });
