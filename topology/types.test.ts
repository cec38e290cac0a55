/**
 * What must not compile (tsc checks each @ts-expect-error: an error that is no longer one fails the build), and what
 * must. The bodies of `never` are not run.
 */
import { expect, expectTypeOf, test } from 'vitest';
import type { Accepted, Heard, Lived, Ranked } from '../processors/happening.ts';
import { type Changes, dedupe, diff, minutes, ms, offlineTimeout, seconds, windowedPrecedence } from '../processors/index.ts';
import type { Stage } from '../processors/stage.ts';
import { kafkaSink, type Topology, topology } from './kit/index.ts';
import { topics } from './topics.ts';

const clock = { hole: ms(1_500), settle: seconds(2), leap: seconds(1) };
const flow = () => topology('t', 1, { name: 's', topic: topics.signals, key: 'user_id', clock });
const drop = () =>
  dedupe('a', { by: 'seq', within: 'session_id', remember: { sessions: 8, for: minutes(10) }, devices: 9, store: 'a' });
const rank = () =>
  windowedPrecedence('b', {
    sources: ['manual', 'app', 'inferred'],
    states: ['dnd', 'busy', 'online', 'away', 'offline'],
    window: ms(200),
    store: 'b',
  });
const time = () => offlineTimeout('c', { lease: seconds(3), grace: seconds(1), forget: minutes(10), store: 'c' });
const tell = () => diff('d', { flush: seconds(30), store: 'd' });

/** Never run: only compiled. */
const mustNotCompile = {
  typoInField: () =>
    // @ts-expect-error a field that signals do not have
    dedupe('a', { by: 'sequ', within: 'session_id', remember: { sessions: 8, for: minutes(10) }, devices: 9, store: 'a' }),
  fieldOfAnotherType: () =>
    // @ts-expect-error a session is not a number
    dedupe('a', { by: 'session_id', within: 'session_id', remember: { sessions: 8, for: minutes(10) }, devices: 9, store: 'a' }),
  noStore: () =>
    // @ts-expect-error state belongs to a store's name
    diff('d', { flush: seconds(30) }),
  noName: () =>
    // @ts-expect-error the name comes first, and is required
    diff({ flush: seconds(30), store: 'd' }),
  sourceWithoutRank: () =>
    windowedPrecedence('b', {
      // @ts-expect-error inferred has no rank
      sources: ['manual', 'app'],
      states: ['dnd', 'busy', 'online', 'away', 'offline'],
      window: ms(200),
      store: 'b',
    }),
  stateWithoutRank: () =>
    windowedPrecedence('b', {
      sources: ['manual', 'app', 'inferred'],
      // @ts-expect-error away has no rank
      states: ['dnd', 'busy', 'online', 'offline'],
      window: ms(200),
      store: 'b',
    }),
  invisibleRanked: () =>
    windowedPrecedence('b', {
      sources: ['manual', 'app', 'inferred'],
      // @ts-expect-error only an override makes invisible: no device can claim it
      states: ['invisible', 'dnd', 'busy', 'online', 'away', 'offline'],
      window: ms(200),
      store: 'b',
    }),
  wrongOrder: () =>
    // @ts-expect-error what is ranked must be deduped first
    flow().pipe(rank(), drop(), time(), tell()),
  diffBeforeTimeouts: () =>
    // @ts-expect-error nobody knows yet who lives
    flow().pipe(drop(), rank(), tell(), time()),
  stageLeftOut: () =>
    // @ts-expect-error timeouts need ranks
    flow().pipe(drop(), time(), tell()),
  sinkTooEarly: () =>
    flow()
      .pipe(drop(), rank(), time())
      // @ts-expect-error there are no states before diff
      .to(kafkaSink('state', { writes: 'states', topic: topics.state })),
  wrongTopic: () =>
    flow()
      .pipe(drop(), rank(), time(), tell())
      // @ts-expect-error states are no diffs
      .to(kafkaSink('state', { writes: 'states', topic: topics.diffs })),
  typoInSink: () =>
    flow()
      .pipe(drop(), rank(), time(), tell())
      // @ts-expect-error nothing is called diff
      .to(kafkaSink('diffs', { writes: 'diff', topic: topics.diffs })),
  keyIsNoText: () =>
    // @ts-expect-error records are partitioned by text
    topology('t', 1, { name: 's', topic: topics.signals, key: 'received_at', clock }),
  wrongInput: () =>
    // @ts-expect-error diffs are no signals
    topology('t', 1, { name: 's', topic: topics.diffs, key: 'user_id', clock }),
};

test('types flow from stage to stage', () => {
  expectTypeOf(drop()).toEqualTypeOf<Stage<Heard, Accepted>>();
  expectTypeOf(rank()).toEqualTypeOf<Stage<Accepted, Ranked>>();
  expectTypeOf(time()).toEqualTypeOf<Stage<Ranked, Lived>>();
  expectTypeOf(tell()).toEqualTypeOf<Stage<Lived, Changes>>();
  const whole = flow()
    .pipe(drop(), rank(), time(), tell())
    .to(
      kafkaSink('state', { writes: 'states', topic: topics.state }),
      kafkaSink('diffs', { writes: 'diffs', topic: topics.diffs }),
    );
  expectTypeOf(whole).toEqualTypeOf<Topology>();
  expect(whole.spec.stages.map(({ kind }) => kind)).toEqual(['dedupe', 'windowedPrecedence', 'offlineTimeout', 'diff']);
});

test('what must not compile is compiled, and never run', () => {
  expect(Object.keys(mustNotCompile).length).toBe(15);
});

test('a spec is frozen JSON', () => {
  const { spec } = flow()
    .pipe(drop(), rank(), time(), tell())
    .to(
      kafkaSink('state', { writes: 'states', topic: topics.state }),
      kafkaSink('diffs', { writes: 'diffs', topic: topics.diffs }),
    );
  expect(JSON.parse(JSON.stringify(spec))).toEqual(spec);
  expect(Object.isFrozen(spec) && Object.isFrozen(spec.stages[0]?.config)).toBe(true);
});
