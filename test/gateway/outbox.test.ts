import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createOutbox, type GatewayOutbox } from '../../gateway/outbox.ts';
import type { SignalDraft } from '../../gateway/parts.ts';
import { random as seeded } from '../../processors/swarm.ts';
import type { Signal } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';
import { expectLedgerClosed } from './ledger.ts';
import { type Bench, bench, until } from './parts-kit.ts';

let open: GatewayOutbox[] = [];
afterEach(async () => {
  await Promise.all(open.map((outbox) => outbox.close(0)));
  open = [];
});

async function outboxOn(on: Bench, options: Partial<Parameters<typeof createOutbox>[0]> = {}): Promise<GatewayOutbox> {
  const outbox = await createOutbox({ log: on.log, codecs: on.codecs, logger: silentLogger, ...options });
  open.push(outbox);
  return outbox;
}

const hello = (user: string, connection = `c-${user}`): SignalDraft => ({
  kind: 'hello',
  user_id: user,
  device_id: 'd1',
  session_id: 's1',
  connection_id: connection,
});
const beat = (user: string, seq: number): SignalDraft => ({ ...hello(user), kind: 'heartbeat', seq });
const goodbye = (user: string, connection = `c-${user}`): SignalDraft => ({ ...hello(user, connection), kind: 'goodbye' });

describe('outbox', () => {
  test('the first marker lies before the first signal of every partition', async () => {
    const on = await bench({ partitions: 4 });
    const outbox = await outboxOn(on);
    await Promise.all(['ada', 'bob', 'cyd', 'dan', 'eve'].map((user) => outbox.send(hello(user))));
    for (const signals of await on.signals())
      expect(signals[0]).toMatchObject({ kind: 'marker', ordinal: 0, devices: 0, gateway_id: outbox.gatewayId });
  });

  test("a user's signals keep their order, ordinals run from 1, received_at is stamped", async () => {
    const on = await bench();
    const outbox = await outboxOn(on);
    await Promise.all([
      outbox.send(hello('ada')),
      ...[1, 2, 3].map((seq) => outbox.send(beat('ada', seq))),
      outbox.send(goodbye('ada')),
    ]);
    const signals = (await on.signals())[outbox.partitionOf('ada')] as readonly Signal[];
    const said = signals.filter(({ kind }) => kind !== 'marker');
    expect(said.map(({ kind, seq, ordinal }) => [kind, seq, ordinal])).toEqual([
      ['hello', null, 1],
      ['heartbeat', 1, 2],
      ['heartbeat', 2, 3],
      ['heartbeat', 3, 4],
      ['goodbye', null, 5],
    ]);
    expect(said.every(({ received_at }) => received_at > 1_600_000_000_000)).toBe(true);
  });

  test('what is cancelled before its first attempt takes no ordinal and is no holding', async () => {
    const on = await bench();
    const outbox = await outboxOn(on, { markerEvery_ms: 20 });
    const outcomes = await Promise.all([
      outbox.send(hello('ada')),
      outbox.send(hello('ada', 'c2'), { cancelled: () => true }),
      outbox.send(beat('ada', 1)),
    ]);
    expect(outcomes).toEqual(['sent', 'cancelled', 'sent']);
    await until(async () => (await on.signals()).every((signals) => signals.at(-1)?.kind === 'marker'));
    for (const signals of await on.signals()) expectLedgerClosed(signals);
  });

  test('one batch is under way at a time; refused and lost answers change neither order nor ordinals', async () => {
    let faults = 0;
    const on = await bench({ faults: { send: () => (++faults % 3 === 0 ? 'lost' : faults % 3 === 1 ? 'refused' : undefined) } });
    const outbox = await outboxOn(on, { markerEvery_ms: 15 });
    const sending: Promise<unknown>[] = [];
    for (let round = 0; round < 30; round++) {
      const user = `u${round % 5}`;
      sending.push(outbox.send(hello(user, `c${round}`)), outbox.send({ ...beat(user, round), connection_id: `c${round}` }));
      if (round % 4 === 0) sending.push(outbox.send(goodbye(user, `c${round}`)));
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await Promise.all(sending);
    for (const signals of await on.signals()) expectLedgerClosed(signals);
    expect((await on.signals()).flat().filter(({ kind }) => kind !== 'marker').length).toBeGreaterThan(sending.length);
  });

  test('while answers are lost a gateway gives signs of life: each resend has markers behind it', async () => {
    let answers = 0;
    const on = await bench({ partitions: 3, faults: { send: () => (++answers % 5 === 0 ? undefined : 'lost') } });
    const outbox = await outboxOn(on, { markerEvery_ms: 60_000 });
    await outbox.send(hello('ada'));
    await outbox.send(goodbye('ada'));
    const partitions = await on.signals();
    const own = partitions[outbox.partitionOf('ada')] as readonly Signal[];
    const sent = own.filter(({ kind }) => kind === 'goodbye').length;
    expect(sent).toBeGreaterThan(1);
    // The first attempt has the goodbye alone; each later one as many markers as there are partitions.
    const from = (signals: readonly Signal[]): readonly Signal[] =>
      signals.filter(({ kind, ordinal }) => kind === 'marker' && ordinal === 2);
    expect(from(own)).toHaveLength(sent - 1);
    expect(from(own).every(({ devices, restated_from }) => devices === 0 && restated_from === null)).toBe(true);
    for (const signals of partitions) {
      expect(signals.at(-1)?.kind).toBe('marker');
      expectLedgerClosed(signals);
    }
  });

  test('a signal says for how long it was held before the attempt that reached the log', async () => {
    const answers = ['refused', 'refused', 'lost', 'lost', undefined] as const;
    let attempts = -1;
    const on = await bench({ faults: { send: () => (attempts < 0 ? undefined : answers[attempts++]) } });
    const outbox = await outboxOn(on, { markerEvery_ms: 60_000 });
    await outbox.send(hello('ada'));
    attempts = 0;
    await Promise.all([outbox.send(beat('ada', 1)), outbox.send(beat('ada', 2))]);
    const signals = (await on.signals())[outbox.partitionOf('ada')] as readonly Signal[];
    const held = [1, 2].map((seq) => signals.filter((signal) => signal.seq === seq).map(({ held_ms }) => held_ms));
    for (const [first = 0, second = 0, third = 0, ...more] of held) {
      // Two pauses of the back-off lie before the first that was written, and one between each two.
      expect(first).toBeGreaterThan(50);
      expect(second).toBeGreaterThan(first);
      expect(third).toBeGreaterThan(second);
      expect(more).toEqual([]);
    }
    const { held_ms: _, ...one } = signals.find(({ seq }) => seq === 1) as Signal;
    for (const signal of signals.filter(({ seq }) => seq === 1)) expect(signal).toMatchObject(one);
    expectLedgerClosed(signals);
  });

  test('a partition without a leader holds up itself alone: the others have signals and markers as ever, each once', async () => {
    let leaderless = true;
    let stuck = -1;
    let refusals = 0;
    const faults = {
      leaderless: (topic: string, partition: number) =>
        topic === topicNames.signals && leaderless && partition === stuck && ++refusals > 0,
    };
    const on = await bench({ partitions: 3, faults });
    const outbox = await outboxOn(on, { markerEvery_ms: 15 });
    await until(async () => (await on.signals()).every((signals) => signals.length > 0));
    stuck = outbox.partitionOf('ada');
    const well = ['bob', 'cyd', 'dan', 'eve', 'fay'].filter((user) => outbox.partitionOf(user) !== stuck);
    const order: string[] = [];
    const waiting = [hello('ada'), beat('ada', 1), beat('ada', 2)].map((draft) =>
      outbox.send(draft).then(() => order.push('ada')),
    );
    // It is found out first; then what comes for it waits in its order, and what comes for the others does not.
    await until(() => !outbox.connected);
    waiting.push(outbox.send(goodbye('ada')).then(() => order.push('ada')));
    await Promise.all(well.map((user) => outbox.send(hello(user)).then(() => order.push(user))));
    const markers = async (partition: number): Promise<number> =>
      ((await on.signals())[partition] as readonly Signal[]).filter(({ kind }) => kind === 'marker').length;
    const before = await Promise.all([0, 1, 2].map(markers));
    await until(async () =>
      (await Promise.all([0, 1, 2].map(markers))).every((count, n) => n === stuck || count > (before[n] as number) + 3),
    );
    expect(order.sort()).toEqual([...well].sort());
    expect(await markers(stuck)).toBe(before[stuck]);
    const tried = refusals;
    leaderless = false;
    await Promise.all(waiting);
    expect(tried).toBeGreaterThan(1);
    await until(() => outbox.connected);
    const partitions = await on.signals();
    for (const signals of partitions) expectLedgerClosed(signals);
    const said = partitions.flat().filter(({ kind }) => kind !== 'marker');
    expect(said).toHaveLength(well.length + 4);
    expect(said.filter(({ user_id }) => user_id === 'ada').map(({ kind, seq }) => [kind, seq])).toEqual([
      ['hello', null],
      ['heartbeat', 1],
      ['heartbeat', 2],
      ['goodbye', null],
    ]);
  });

  test('random hellos, goodbyes, silences and cancellations: every marker agrees with a naive reading of the log', async () => {
    const on = await bench({ partitions: 3 });
    const outbox = await outboxOn(on, { markerEvery_ms: 5 });
    const random = seeded(Number(process.env.SEED ?? 7));
    const sending: Promise<unknown>[] = [];
    for (let i = 0; i < 600; i++) {
      const user = `u${Math.floor(random() * 12)}`;
      const connection = `c${Math.floor(random() * 4)}`;
      const kind = (['hello', 'hello', 'goodbye', 'silence'] as const)[Math.floor(random() * 4)] ?? 'hello';
      const draft: SignalDraft = {
        ...hello(user, connection),
        kind,
        ...(kind === 'silence' ? { silent_ms: 3_000 } : {}),
        ...(kind === 'hello' && random() < 0.1 ? { state: 'offline' as const } : {}),
      };
      const drop = random() < 0.2;
      sending.push(outbox.send(draft, { cancelled: () => drop }));
      if (random() < 0.1) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.all(sending);
    await until(async () => (await on.signals()).every((signals) => signals.at(-1)?.kind === 'marker'));
    for (const signals of await on.signals()) expectLedgerClosed(signals);
  });

  test('a restatement is followed by a marker that says from which ordinal on', async () => {
    const on = await bench();
    const outbox = await outboxOn(on, { markerEvery_ms: 30 });
    await Promise.all(['ada', 'bob', 'cyd'].map((user) => outbox.send(hello(user))));
    const partition = outbox.partitionOf('ada');
    const mine = ['ada', 'bob', 'cyd'].filter((user) => outbox.partitionOf(user) === partition);
    await outbox.restate(
      partition,
      mine.map((user) => ({ draft: { ...hello(user), restated: true } })),
    );
    const signals = await until(async () => {
      const read = (await on.signals())[partition] as readonly Signal[];
      return read.some(({ restated_from }) => restated_from !== null) ? read : null;
    });
    const restated = signals.filter((signal) => signal.restated);
    expect(restated.map(({ user_id }) => user_id)).toEqual(mine);
    const told = signals.filter(({ restated_from }) => restated_from !== null);
    expect(told.map(({ restated_from }) => restated_from)).toEqual([restated[0]?.ordinal]);
    expect(signals.indexOf(told[0] as Signal)).toBeGreaterThan(signals.indexOf(restated.at(-1) as Signal));
    expectLedgerClosed(signals);
  });

  test('a restatement of nothing voids every older hold', async () => {
    const on = await bench();
    const outbox = await outboxOn(on, { markerEvery_ms: 20 });
    await outbox.send(hello('ada'));
    await outbox.send(goodbye('ada'));
    await outbox.restate(outbox.partitionOf('ada'), []);
    const told = await until(async () => (await on.signals()).flat().find(({ restated_from }) => restated_from !== null));
    expect(told).toMatchObject({ ordinal: 2, restated_from: 3, devices: 0 });
  });

  test('at the bound send is refused and nothing is queued; ends of holds pass; when the log is back all is sent', async () => {
    let down = true;
    const on = await bench({ faults: { send: () => (down ? 'refused' : undefined) } });
    const outbox = await outboxOn(on, { heldSignalsMax: 3 });
    const sending = ['ada', 'bob', 'cyd'].map((user) => outbox.send(hello(user)));
    expect(outbox.full).toBe(true);
    await expect(outbox.send(hello('dan'))).rejects.toMatchObject({ code: 'OUTBOX_FULL', retriable: true });
    const end = outbox.sendAlways(goodbye('ada'));
    await until(() => !outbox.connected);
    down = false;
    expect(await Promise.all([...sending, end])).toEqual(['sent', 'sent', 'sent', 'sent']);
    expect(outbox.full).toBe(false);
    expect(outbox.connected).toBe(true);
    expect((await on.signals()).flat().some(({ user_id }) => user_id === 'dan')).toBe(false);
  });

  test('closing sends what is held, refuses more, and in the end rejects what the log did not take', async () => {
    let down = false;
    const on = await bench({ faults: { send: () => (down ? 'refused' : undefined) } });
    const first = await outboxOn(on);
    const sending = first.send(hello('ada'));
    const closing = first.close(5_000);
    await expect(first.send(hello('bob'))).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    await closing;
    expect(await sending).toBe('sent');
    down = true;
    const second = await outboxOn(on);
    const stuck = second.send(hello('cyd'));
    stuck.catch(() => {});
    await second.close(20);
    await expect(stuck).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
  });

  test('a signal that lacks what its kind needs is refused and spends no ordinal', async () => {
    const on = await bench();
    const outbox = await outboxOn(on);
    await expect(outbox.send({ kind: 'hello', user_id: 'ada' })).rejects.toMatchObject({ code: 'BAD_INPUT' });
    await outbox.send(hello('ada'));
    expect(
      (await on.signals())
        .flat()
        .filter(({ kind }) => kind === 'hello')
        .map(({ ordinal }) => ordinal),
    ).toEqual([1]);
  });
});
