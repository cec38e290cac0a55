/**
 * Stages are ordinary RxJS operators over batches: marbles work on them. What they compute is in
 * topology/presence.scenarios.ts.
 */
import { map, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, test } from 'vitest';
import { type SignalDraft, signal } from '../schemas/signal.ts';
import { Happening, type Heard, type Lived } from './happening.ts';
import { dedupe, minutes, ms, offlineTimeout, seconds, windowedPrecedence } from './index.ts';
import type { Batch } from './stage.ts';

const drop = dedupe('drop', {
  by: 'seq',
  within: 'session_id',
  remember: { sessions: 8, for: minutes(10) },
  devices: 2,
  store: 'sessions',
});
const rank = windowedPrecedence('rank', {
  sources: ['manual', 'app', 'inferred'],
  states: ['dnd', 'busy', 'online', 'away', 'offline'],
  window: ms(200),
  store: 'claims',
});
const live = offlineTimeout('live', { lease: seconds(3), grace: seconds(1), forget: minutes(10), store: 'lives' });

let offset = 0;
const heard = (...drafts: readonly Partial<SignalDraft>[]): Batch<Heard> => {
  const records = drafts.map((draft) => {
    const happening = new Happening();
    happening.signal = signal({
      kind: 'heartbeat',
      user_id: 'ada',
      device_id: 'phone',
      session_id: 's1',
      ttl_ms: 5_000,
      ...draft,
    });
    happening.offset = offset;
    happening.stamp = 1_700_000_000_000 + offset;
    offset += 1;
    return { offset: happening.offset, stamp: happening.stamp, value: happening };
  });
  return { partition: 0, records, nextOffset: offset };
};

/** Marbles in, marbles out: a letter is a batch, and what is said of it. */
function marbles(
  source: string,
  batches: Readonly<Record<string, Batch<Heard>>>,
  chain: (from: Observable<Batch<Heard>>) => Observable<string>,
  expected: string,
  says: Readonly<Record<string, string>>,
): void {
  new TestScheduler((actual, wanted) => expect(actual).toEqual(wanted)).run(({ cold, expectObservable }) => {
    expectObservable(chain(cold(source, batches))).toBe(expected, says);
  });
}

describe('dedupe', () => {
  test('what is repeated leaves its batch, the batch goes on', () => {
    marbles(
      '          -a-b-c|',
      { a: heard({ seq: 1 }), b: heard({ seq: 1 }, { seq: 2 }), c: heard({ seq: 2 }) },
      (from) =>
        from.pipe(
          drop,
          map((batch) => batch.records.map(({ value }) => value.signal?.seq).join()),
        ),
      '          -x-y-z|',
      { x: '1', y: '2', z: '' },
    );
  });

  test('at the limit of devices a newcomer is not heard while the others live', () => {
    marbles(
      '          -a|',
      {
        a: heard({ device_id: 'a', seq: 1 }, { device_id: 'b', seq: 1 }, { device_id: 'c', seq: 1 }, { device_id: 'a', seq: 2 }),
      },
      (from) =>
        from.pipe(
          drop,
          map((batch) => batch.records.map(({ value }) => value.device?.device_id).join()),
        ),
      '          -x|',
      { x: 'a,b,a' },
    );
  });
});

test('the chain says what the user is after each signal', () => {
  const view = ({ selfState, selfSource }: Lived) => `${selfSource}:${selfState}`;
  marbles(
    '            -a--b-c|',
    {
      a: heard({ seq: 1 }),
      b: heard({ seq: 2, state: 'busy' }, { device_id: 'tv', seq: 1, state: 'dnd', source: 'inferred' }),
      c: heard({ kind: 'override_set', override_id: 'o', state: 'away' }),
    },
    (from) =>
      from.pipe(
        drop,
        rank,
        live,
        map((batch) => batch.records.map(({ value }) => view(value)).join()),
      ),
    '            -x--y-z|',
    { x: 'inferred:online', y: 'app:busy,app:busy', z: 'manual:away' },
  );
});

test('two subscriptions of one stage share nothing', () => {
  const once = (stage: typeof drop): number => {
    let records = 0;
    const subscription = new TestScheduler(() => true);
    subscription.run(({ cold, flush }) => {
      cold('a|', { a: heard({ seq: 7 }) })
        .pipe(stage)
        .subscribe((batch) => {
          records += batch.records.length;
        });
      flush();
    });
    return records;
  };
  expect([once(drop), once(drop)]).toEqual([1, 1]);
});
