/** The corpus: what plan says of each edit, and that what it calls compatible can be rolled out. */
import { expect, describe as suite, test } from 'vitest';
import { systemOf } from '../../cli/system-spec.ts';
import { swarm } from '../../processors/swarm.ts';
import { incompatibility } from '../../schemas/avsc.ts';
import type { Diff } from '../../schemas/generated.ts';
import { editedSpec, editedTopology, readEdits } from '../../test/topology/edited.ts';
import { presence } from '../presence.ts';
import { Driver } from './driver.ts';
import { lint } from './lint.ts';
import { corpus } from './plan/corpus.ts';
import { printPlan } from './plan/print.ts';
import { plan } from './plan.ts';
import { play } from './scenario.ts';
import type { Topology } from './topology.ts';

const before = systemOf(presence.spec);
const planOf = (edits: string) => plan(before, editedSpec(readEdits(edits)), incompatibility);

test('the corpus has 40 edits and more, of all three kinds', () => {
  expect(corpus.length).toBeGreaterThanOrEqual(40);
  expect(new Set(corpus.map(({ name }) => name)).size).toBe(corpus.length);
  expect(new Set(corpus.map(({ verdict }) => verdict)).size).toBe(3);
});

suite.each(corpus)('$name', ({ edits, verdict, changes, says, stores, topics, sameDiffs }) => {
  test(`is ${verdict}`, () => {
    const found = planOf(edits);
    const told = found.changes.map((one) => `${one.verdict} ${one.at}: ${one.before ?? 'none'} -> ${one.after ?? 'none'}`);
    expect({ verdict: found.verdict, changes: told }).toEqual({ verdict, changes });
    expect({ stores: found.stores, topics: found.topics, sameDiffs: found.sameDiffs }).toEqual({ stores, topics, sameDiffs });
    const reasons = found.changes.map(({ reason }) => reason).join('\n');
    expect(says.filter((words) => !reasons.includes(words))).toEqual([]);
  });

  test('every change has a reason, and one that is not compatible says what it touches', () => {
    for (const change of planOf(edits).changes) {
      expect(change.reason).toMatch(/\.$/);
      if (change.verdict !== 'compatible') expect([...change.stores, ...change.topics]).not.toEqual([]);
    }
  });
});

/** A topology whose processors are made by whichever is current: what a rolling deploy is to one partition. */
function rolledOut(log: ReturnType<typeof swarm>, from: Topology, to: Topology, at: number): Driver {
  let current = from;
  const driver = new Driver({ processor: (partition) => current.processor(partition) });
  log.forEach((record, i) => {
    if (i === at) {
      current = to;
      driver.restart();
    }
    driver.feed(record.stamp, record.value);
    if (i % 7 === 0) driver.checkpoint();
  });
  return driver;
}

/** Per user the versions rise by one, whatever happened. */
function gaps(diffs: readonly Diff[]): readonly string[] {
  const last = new Map<string, number>();
  return diffs.flatMap(({ user_id, audience, version }) => {
    if (audience === 'others') return [];
    const expected = (last.get(user_id) ?? 0) + 1;
    last.set(user_id, version);
    return version === expected ? [] : [`${user_id}: ${version}, not ${expected}`];
  });
}

suite('what is compatible can be rolled out: the state stays, and versions have no gap', () => {
  const runnable = corpus.filter(({ verdict, edits }) => verdict === 'compatible' && lintsWell(edits));

  test.each(runnable)('$name', ({ edits, sameDiffs }) => {
    const edited = editedTopology(readEdits(edits));
    for (let seed = 1; seed <= 12; seed += 1) {
      const log = swarm({ seed, records: 160 });
      const mixed = rolledOut(log, presence, edited, 20 + seed * 9);
      expect(gaps(mixed.diffs), `seed ${seed}`).toEqual([]);
      if (!sameDiffs) continue;
      const unedited = rolledOut(log, presence, presence, 20 + seed * 9);
      expect(mixed.diffs, `seed ${seed}`).toEqual(unedited.diffs);
    }
  });

  test('they are most of those that change the topology itself', () => {
    expect(runnable.length).toBeGreaterThan(25);
  });
});

/** Only the topology is edited, and the edit runs. */
function lintsWell(edits: string): boolean {
  const read = readEdits(edits);
  return read.every(({ file }) => file === 'presence.ts') && lint(editedSpec(read)).every(({ level }) => level === 'warning');
}

suite('what needs a rebuild is wrong where it is only rolled out', () => {
  const topologyOf = (name: string): Topology =>
    editedTopology(readEdits(corpus.find((edit) => edit.name === name)?.edits ?? ''));
  /** The first processor is presence's; whoever is made after it, at the restart, is the edited one's. */
  const switching = (to: Topology, table: string): string => {
    let made = 0;
    const rolling = { processor: (partition: number) => (made++ === 0 ? presence : to).processor(partition) };
    return play(rolling, table);
  };

  test('states in another order: who only beats keeps the old one', () => {
    const table = `
      0s   g1 lives
      0.1s ada/a hello busy
      0.2s ada/b hello dnd
      5s   restart
      60s  tick
      : ada state=?`;
    const other = topologyOf('two states change places');
    expect(switching(other, table)).toContain(': ada state=dnd');
    expect(play(other, table)).toContain(': ada state=busy');
  });

  test('sources in another order: the device that spoke for the user still does', () => {
    const table = `
      0s   g1 lives
      0.1s ada/a hello away app
      0.2s ada/b hello busy inferred
      5s   restart
      60s  tick
      : ada state=?`;
    const other = topologyOf('two sources change places');
    expect(switching(other, table)).toContain(': ada state=away');
    expect(play(other, table)).toContain(': ada state=busy');
  });
});

suite('a plan', () => {
  test('of nothing says so', () => {
    expect(printPlan(plan(before, before, incompatibility))).toBe('presence@1 -> presence@1: no change.');
  });

  test('is printed with the worst first, each with its reason and steps', () => {
    const edits = `
      presence.ts: flush: seconds(30) => flush: seconds(60)
      topics.ts: days(7) => days(2)`;
    expect(printPlan(planOf(edits))).toBe(`\
presence@1 -> presence@1: needs migration

needs migration: topics.presence.signals.retention
  7 d -> 2 d
  A topic that is there keeps its setting until it is altered; state is not touched. A rebuild then
  reaches back 2 d from its base, and the topology may stand still for no longer.
  1. kafka-configs --alter --topic presence.signals --add-config retention.ms=172800000

compatible: presence.changes.flush
  30 s -> 1 min
  Beats are written later: a restore reads more of the input. Which beats are unwritten is worked
  out from the log; diffs do not depend on it.

Stores touched: emitted.
Topics touched: presence.state, presence.diffs, presence.signals.
The same signals give the same diffs before and after the edit.`);
  });

  test('of a rebuild asks for a higher version, until it is there', () => {
    const swap = "presence.ts: ['manual', 'app', 'inferred'] => ['manual', 'inferred', 'app']";
    const raise = "presence.ts: topology('presence', 1, => topology('presence', 2,";
    expect(planOf(swap).notes).toEqual([
      'A rebuild makes another state: raise the version to 2, so that partition records say which it is.',
    ]);
    expect(planOf(`${swap}\n${raise}`).notes).toEqual([]);
  });

  test('against a topology’s own spec compares what it has, and says so', () => {
    const found = plan(
      presence.spec,
      editedSpec(readEdits('topics.ts: DEFAULT_PARTITIONS = 8 => DEFAULT_PARTITIONS = 12')),
      incompatibility,
    );
    expect(found.changes.map(({ at }) => at)).toEqual(
      ['signals', 'state', 'diffs'].map((topic) => `topics.presence.${topic}.partitions`),
    );
    expect(found.notes[0]).toMatch(/^The other spec has no schemas/);
  });

  test('is the same whichever way JSON went', () => {
    const read = JSON.parse(JSON.stringify(before)) as typeof before;
    expect(plan(read, before, incompatibility).changes).toEqual([]);
  });
});
