/** A log that takes nothing and says nothing: what waits for it stays within its limits, and nothing accepted is lost. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { CHANGED_KEYS_MAX, CHANGES_MAX, createInterest, type InterestTable } from '../../gateway/interest.ts';
import { createOutbox, type GatewayOutbox } from '../../gateway/outbox.ts';
import type { Log, LogBatch } from '../../ports/log.ts';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { expectLedgerClosed } from '../gateway/ledger.ts';
import { bench } from '../gateway/parts-kit.ts';
import { counterWiring } from '../runtime/counter.ts';
import { random } from '../runtime/faulty-log.ts';
import { judge } from '../runtime/reference.ts';
import { bound, caughtUp, type Instance, makeTopics, quick, sendAll, signals, startInstance, until } from '../runtime/world.ts';
import { Gate, mostOf, shown } from './gate.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A log whose producers are not answered while the gate is closed. */
const gated = (log: Log, gate: Gate): Log => ({
  ...bound(log),
  producer: async () => {
    const producer = await log.producer();
    return {
      send: (records) => gate.pass(() => producer.send(records)),
      offer: (records) => gate.pass(() => producer.offer(records)),
      close: () => producer.close(),
    };
  },
});

describe('A log that does not answer', () => {
  test('the outbox holds up to its limit, refuses the rest, and writes all that it took when the log goes on', async () => {
    const gate = new Gate();
    const on = await bench();
    const held = { heldSignalsMax: 500, heldBytesMax: 1 << 20 };
    const outbox: GatewayOutbox = await createOutbox({
      log: gated(on.log, gate),
      codecs: on.codecs,
      logger: silentLogger,
      markerEvery_ms: 20,
      ...held,
    });
    ends.push(() => outbox.close(0));
    gate.close();
    const results: Promise<string>[] = [];
    const most = await mostOf('presence_outbox_held_signals', async () => {
      for (let n = 0; n < 5_000; n += 1) {
        const draft = {
          kind: 'heartbeat',
          user_id: `u${n % 50}`,
          device_id: 'd',
          session_id: 's',
          seq: n,
          ttl_ms: 60_000,
        } as const;
        results.push(outbox.send(draft).catch((error: { code: string }) => error.code));
        if (n % 500 === 0) await sleep(5);
      }
    });
    expect(most).toBeLessThanOrEqual(held.heldSignalsMax);
    expect(gate.most).toBe(1);
    await until(
      'the gauge shows what is held',
      async () => (await shown('presence_outbox_held_signals')) === held.heldSignalsMax,
    );
    expect(outbox.full).toBe(true);
    gate.open();
    const said = await Promise.all(results);
    const taken = said.filter((one) => one === 'sent').length;
    expect([taken, said.filter((one) => one === 'OUTBOX_FULL').length]).toEqual([500, 4_500]);
    const written = await on.signals();
    expect(written.flat().filter(({ kind }) => kind === 'heartbeat')).toHaveLength(taken);
    for (const partition of written) expectLedgerClosed(partition);
    expect(outbox.full).toBe(false);
  });

  test('changes of kept lists wait up to their limits, are refused beyond; all that were taken are held', async () => {
    const gate = new Gate();
    const on = await bench();
    const table: InterestTable = await createInterest({
      log: gated(on.log, gate),
      codecs: on.codecs,
      logger: silentLogger,
      onChange: () => {},
    });
    ends.push(() => table.close());
    await table.ready;
    gate.close();
    const keep = (watcher: string, add: readonly string[]) =>
      table.keep(watcher, { add }).catch((error: { code: string }) => error.code);
    const own = Array.from({ length: 50 }, (_, n) => keep('ada', [`friend-${n}`]));
    const long = Array.from({ length: 9_999 }, (_, n) => `user-${n}`);
    const others = Array.from({ length: 250 }, (_, n) => keep(`watcher-${n}`, long));
    await sleep(20);
    expect(await shown('presence_gateway_interest_changed_users')).toBeLessThanOrEqual(CHANGED_KEYS_MAX);
    gate.open();
    const [mine, theirs] = await Promise.all([Promise.all(own), Promise.all(others)]);
    expect(mine.filter((one) => one === 'OUTBOX_FULL')).toHaveLength(50 - CHANGES_MAX);
    expect(table.list('ada')).toHaveLength(CHANGES_MAX);
    const heldLists = theirs.filter((one) => Array.isArray(one)).length;
    expect(heldLists).toBe(Math.floor((CHANGED_KEYS_MAX - 2 * CHANGES_MAX) / 10_000));
    expect(theirs.filter((one) => one === 'OUTBOX_FULL')).toHaveLength(250 - heldLists);
    for (const [n, answer] of theirs.entries())
      expect(table.list(`watcher-${n}`)).toHaveLength(Array.isArray(answer) ? long.length : 0);
    expect(await shown('presence_gateway_interest_changed_users')).toBe(0);
  });

  test('a topology whose commit is not answered holds one commit and one batch a partition, then goes on', async () => {
    const partitions = 2;
    const gate = new Gate();
    const log = await createEmbeddedLog({ batchRecordsMax: 50 });
    ends.push(() => log.close());
    await makeTopics(log, partitions);
    const wiring = counterWiring({ cell_ms: 10, quiet_ms: 40, flush_ms: 20 });
    const hands = { now: 0, most: 0 };
    const stalling: Log = {
      ...bound(log),
      transactions: async (id, writes) => {
        const inner = await log.transactions(id, writes);
        return {
          fence: () => inner.fence(),
          reopen: () => inner.reopen(),
          close: () => inner.close(),
          append: (...args) => gate.pass(() => inner.append(...args)),
          commit: (...args) => gate.pass(() => inner.commit(...args)),
        };
      },
      consume: (options) =>
        log.consume({
          ...options,
          onBatch: async (batch: LogBatch) => {
            hands.most = Math.max(hands.most, (hands.now += 1));
            await Promise.resolve(options.onBatch(batch)).finally(() => (hands.now -= 1));
          },
        }),
    };
    const instance: Instance = await startInstance(stalling, wiring, { limits: quick });
    ends.push(() => instance.runner.close());
    gate.close();
    const next = random(7);
    for (let round = 0; round < 40; round += 1) {
      await sendAll(log, signals(next, { count: 100, keys: 20 }));
      await sleep(5);
    }
    // Each partition has what its commit says, and one batch of 50 that waits (it is given back, and handed over again).
    const behind = instance.runner.partitions.map(({ lag }) => lag ?? 0);
    expect(Math.min(...behind)).toBeGreaterThan(1_000);
    expect(gate.most).toBe(partitions);
    expect(hands.most).toBe(partitions);
    gate.open();
    await caughtUp(log, [instance.runner], 60_000);
    await instance.runner.close(); // what is compared must stand still
    for (let partition = 0; partition < partitions; partition += 1) {
      const { expected, found, expectedState, foundState } = await judge(log, wiring, partition);
      expect(found).toEqual(expected);
      expect(foundState).toEqual(expectedState);
      expect(found.length).toBeGreaterThan(100);
    }
  });
});
