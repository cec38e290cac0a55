import { Subject } from 'rxjs';
import { expect, describe as suite, test } from 'vitest';
import { hasCode, type PresenceError } from '../../base/errors.ts';
import type { Happening, Ranked } from '../../processors/happening.ts';
import { dedupe, diff, minutes, ms, offlineTimeout, seconds, windowedPrecedence } from '../../processors/index.ts';
import { type Batch, defineStage } from '../../processors/stage.ts';
import type { Signal } from '../../schemas/generated.ts';
import { signal } from '../../schemas/signal.ts';
import { presence } from '../presence.ts';
import { topicSpecs, topics } from '../topics.ts';
import { Driver } from './driver.ts';
import { kafkaSink, topology } from './index.ts';
import { SCENARIO_START as start } from './scenario.ts';

suite('lint', () => {
  test('a topology with faults is refused, and told all of them', () => {
    const build = () =>
      topology('t', 0, {
        name: 's',
        topic: topics.signals,
        key: 'user_id',
        clock: { hole: seconds(3), settle: seconds(2), leap: ms(100) },
      })
        .pipe(
          dedupe('Drop', {
            by: 'seq',
            within: 'session_id',
            remember: { sessions: 8, for: minutes(10) },
            devices: 9,
            store: 'mine',
          }),
          windowedPrecedence('rank', {
            sources: ['manual', 'app', 'inferred', 'app'],
            states: ['dnd', 'busy', 'online', 'away', 'offline'],
            window: ms(0),
            store: 'mine',
          }),
          offlineTimeout('rank', { lease: seconds(1), grace: ms(0.5), forget: minutes(90), store: 'lives' }),
          diff('tell', { flush: seconds(30), store: 'emitted' }),
        )
        .to();
    let error: unknown;
    try {
      build();
    } catch (caught) {
      error = caught;
    }
    expect(hasCode(error, 'BAD_TOPOLOGY')).toBe(true);
    expect((error as PresenceError).message.split('\n')).toEqual([
      't: version 0 is not a whole number from 1 [version]',
      't.Drop: "Drop" is not of a-z 0-9 - with a letter first, 64 at most [name]',
      't.rank: there are two stages "rank" [duplicate-stage]',
      't.rank: store "mine" is already t.Drop\'s [duplicate-store]',
      't.rank: sources names something twice: manual, app, inferred, app [twice-in-order]',
      't.rank: grace_ms 0.5 is not a whole number from 0 [bad-number]',
      't.rank: the window is 0 ms: every stamp would be a cut [no-window]',
      't.rank: lease 1 s is below two markers (2 s): one late marker would declare a gateway dead [short-lease]',
      't.rank: a silent log of 3 s counts as time, and lease is 1 s: nobody could write, and gateways die [hole-beyond-lease]',
      't.rank: a gateway is forgotten after 1 h, its devices after 90 min: it must outlast them [gateway-forgotten-first]',
      't: has no sink: nothing of it would be seen [no-sink]',
    ]);
  });
});

test('topics: a user’s signals, state and diffs are partitioned alike', () => {
  const partitions = new Map(topicSpecs(12).map(({ name, partitions: count }) => [name, count]));
  expect([topics.signals.name, topics.state.name, topics.diffs.name].map((name) => partitions.get(name))).toEqual([12, 12, 12]);
});

test('the topology is one RxJS operator over the batches of a partition', () => {
  const batches = new Subject<Batch<Signal>>();
  const seen: string[] = [];
  const feed = (offset: number, at: number, value: Signal) =>
    batches.next({ partition: 0, records: [{ offset, stamp: start + at, value }], nextOffset: offset + 1 });
  const subscription = batches
    .pipe(presence.run(0))
    .subscribe((emission) => seen.push(...emission.diffs.map(({ value }) => value.to)));
  feed(
    0,
    0,
    signal({ kind: 'heartbeat', user_id: 'ada', device_id: 'd', session_id: 's', seq: 1, ttl_ms: 5_000, state: 'busy' }),
  );
  feed(1, 250, signal({ kind: 'tick' }));
  subscription.unsubscribe();
  feed(2, 9_000, signal({ kind: 'tick' }));
  expect(seen).toEqual(['busy']);
});

suite('a processor', () => {
  const beat = (seq: number, more: Partial<Signal> = {}) =>
    signal({ kind: 'heartbeat', user_id: 'ada', device_id: 'd', session_id: 's', seq, ttl_ms: 5_000, ...more });

  test('says when its next deadline is: the end of the window, then the ttl', () => {
    const driver = new Driver(presence);
    const due = () => (driver.processor.due() ?? start) - start;
    expect(driver.processor.due()).toBeNull();
    driver.feed(start + 10, beat(1));
    expect(due()).toBe(200);
    driver.feed(start + 210, signal({ kind: 'tick' }));
    expect(due()).toBe(5_010);
    driver.feed(start + 1_010, beat(2));
    expect(due()).toBe(6_010);
  });

  test('is staggered by partition', () => {
    const driver = new Driver(presence, { partition: 3 });
    driver.feed(start + 10, beat(1));
    expect((driver.processor.due() ?? 0) - start).toBe(75);
  });

  test('skips records below its position, and goes beyond gaps', () => {
    const { processor } = new Driver(presence);
    processor.process({ partition: 0, records: [{ offset: 5, stamp: start, value: beat(1) }], nextOffset: 9 });
    expect(processor.position).toBe(9);
    processor.process({ partition: 0, records: [{ offset: 8, stamp: start + 9_000, value: beat(2) }], nextOffset: 9 });
    expect([processor.position, processor.stamp - start]).toEqual([9, 0]);
  });

  test('has a checkpoint only where nothing waits and something moved', () => {
    const driver = new Driver(presence);
    driver.feed(start, beat(1));
    expect(driver.checkpoint()).toBeNull();
    driver.feed(start + 200, signal({ kind: 'tick' }));
    expect(driver.checkpoint()).toMatchObject({
      position: 2,
      states: [],
      diffs: [],
      partition: { offset: 2, stamp: start + 200 },
    });
    expect(driver.checkpoint()).toBeNull();
  });

  test('a trace goes from the signal to the diff and the record, and from a goodbye to the end of its grace', () => {
    const driver = new Driver(presence);
    const trace = (digit: string) => `00-${digit.repeat(32)}-${'b'.repeat(16)}-01`;
    driver.feed(start, beat(1, { received_at: start - 7 }), trace('1'));
    driver.feed(start + 1_000, beat(2, { state: 'offline' }), trace('2'));
    driver.feed(start + 1_500, signal({ kind: 'tick' }));
    driver.feed(start + 2_500, signal({ kind: 'tick' }), trace('3'));
    expect(
      driver.diffs.map(({ trace_id, received_at, device_id, offset }) => [trace_id, received_at, device_id, offset]),
    ).toEqual([
      ['1'.repeat(32), start - 7, 'd', 0],
      ['2'.repeat(32), 0, 'd', 3],
    ]);
    expect(driver.emissions.map(({ states }) => states[0]?.traceparent)).toEqual([trace('1'), trace('2'), trace('2')]);
  });

  test('what it emitted does not change when it goes on', () => {
    const driver = new Driver(presence);
    driver.feed(start, beat(1));
    driver.feed(start + 200, signal({ kind: 'tick' }));
    const before = JSON.stringify(driver.emissions[0]);
    driver.feed(start + 400, beat(2, { state: 'dnd', session_id: 's2' }));
    driver.feed(start + 600, signal({ kind: 'override_set', user_id: 'ada', override_id: 'o', state: 'invisible' }));
    driver.feed(start + 9_000, signal({ kind: 'tick' }));
    expect(JSON.stringify(driver.emissions[0])).toBe(before);
  });

  test('a stage that leaves a deadline where it was is an error, not a step without end', () => {
    const stuck = defineStage<Ranked, Ranked>(
      { kind: 'stuck', name: 'stuck', config: {}, stores: [], timers: [] },
      (scope, next) => ({
        on: (ranked) => {
          const { kind, device } = ranked as Happening;
          if (kind === 'device_due' && device !== null) scope.leaseTimers.arm(device);
          else next(ranked);
        },
      }),
    );
    const one = topology('t', 1, { name: 's', topic: topics.signals, key: 'user_id', clock: null })
      .pipe(
        dedupe('a', { by: 'seq', within: 'session_id', remember: { sessions: 8, for: minutes(10) }, devices: 9, store: 'a' }),
        windowedPrecedence('b', {
          sources: ['manual', 'app', 'inferred'],
          states: ['dnd', 'busy', 'online', 'away', 'offline'],
          window: ms(200),
          store: 'b',
        }),
        stuck,
        offlineTimeout('c', { lease: seconds(3), grace: seconds(1), forget: minutes(10), store: 'c' }),
        diff('d', { flush: seconds(30), store: 'd' }),
      )
      .to(kafkaSink('state', { writes: 'states', topic: topics.state }));
    const driver = new Driver(one);
    driver.feed(start, beat(1));
    expect(() => driver.feed(start + 9_000, signal({ kind: 'tick' }))).toThrow(
      `Time stands still at ${start + 5_000}: the timer of ada/d falls due again and again.`,
    );
  });
});
