/** What snapshots and standbys need of a log, and what a rebalance leaves alone. Part of the log's contract (log.contract.ts). */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { GroupConsumer, GroupStandby, Log, LogBatch } from '../../ports/log.ts';
import { eventually, group, record, type Subject, textOf, topic } from './log.kit.ts';

interface Member {
  readonly consumer: GroupConsumer;
  readonly owned: () => number[];
  /** Told last: what it is to keep. */
  kept: readonly number[];
  /** What it says that it has. */
  readonly warm: Map<number, number>;
}

async function join(
  log: Log,
  options: {
    readonly group: string;
    readonly topic: string;
    readonly replicas: number;
    readonly onAsked?: (member: Member) => void;
  },
): Promise<Member> {
  const member = { kept: [] as readonly number[], warm: new Map<number, number>() } as Member;
  const standby: GroupStandby = {
    replicas: options.replicas,
    warm: () => {
      const said = new Map(member.warm);
      options.onAsked?.(member);
      return said;
    },
    onStandby: (partitions) => {
      member.kept = partitions;
    },
  };
  const consumer = await log.consume({ group: options.group, topics: [options.topic], standby, onBatch: async () => {} });
  const owned = (): number[] => consumer.assignment.map(({ partition }) => partition).sort();
  return Object.assign(member, { consumer, owned });
}

export function standbyLaws({ logs, send }: Subject): void {
  test('a topic is told from every other by its identity, which does not change', async () => {
    const { log, other } = logs();
    const [one, two] = [await topic(log), await topic(log)];
    const identity = await log.identity(one);
    expect(identity).toMatch(/\S/);
    expect(await log.identity(two)).not.toBe(identity);
    await send(one, record('k', 'a'));
    expect(await other.identity(one)).toBe(identity);
  });

  test('a follower reads the partitions asked for, each from its offset on', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 3 });
    for (const partition of [0, 1, 2])
      await send(name, ...['a', 'b', 'c'].map((value) => record('k', `${value}${partition}`, partition)));
    const seen: string[] = [];
    const next = new Map([
      [0, 1],
      [2, 3],
    ]);
    const follower = await log.follow({
      topics: [name],
      from: { next },
      onBatch: async (batch) => void seen.push(...textOf(batch.records)),
    });
    await follower.caughtUp;
    expect(seen).toEqual(['b0', 'c0']);
    await send(name, record('k', 'd2', 2), record('k', 'd1', 1));
    await eventually(() => seen.includes('d2'));
    expect(seen).toEqual(['b0', 'c0', 'd2']);
    await follower.close();
  });

  test('a commit says where its records lie', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 2 });
    const transactions = await log.transactions(randomUUID());
    await transactions.fence();
    const written: Record<string, number> = {};
    for (let n = 0; n < 3; n += 1) {
      const records = [record('k', `a${n}`, 1), record('k', `b${n}`, 1)];
      const [appended] = await transactions.commit([{ topic: name, records }]);
      expect(appended).toMatchObject({ topic: name, partition: 1 });
      for (const [index, { value }] of records.entries()) written[String(value)] = (appended?.baseOffset ?? 0) + index;
    }
    const found: Record<string, number> = {};
    const onBatch = (batch: LogBatch): void => {
      for (const { value, offset } of batch.records) found[String(value)] = offset;
    };
    await log.read({ topic: name, partition: 1, from: 0, onBatch });
    expect(found).toEqual(written);
  });

  test('members keep what the other owns; who has it warm gets it when the other leaves', async () => {
    const { log, other } = logs();
    const [name, id] = [await topic(log, { partitions: 2 }), group()];
    const one = await join(log, { group: id, topic: name, replicas: 1 });
    await eventually(() => one.owned().length === 2);
    const two = await join(other, { group: id, topic: name, replicas: 1 });
    // Nothing moves to who has nothing; it is told what to get ready.
    await eventually(() => two.kept.length === 2);
    expect(one.owned()).toEqual([0, 1]);
    for (const partition of two.kept) {
      two.warm.set(partition, 0);
      two.consumer.warmed(partition);
    }
    await eventually(
      () => one.owned().length === 1 && two.owned().length === 1 && one.kept.length === 1 && two.kept.length === 1,
    );
    expect(one.kept).toEqual(two.owned());
    expect(two.kept).toEqual(one.owned());
    await one.consumer.close();
    await eventually(() => two.owned().length === 2);
    await two.consumer.close();
  });

  test('what becomes warm after the group has asked, and before it has assigned, is not waited for any longer', async () => {
    const { log, other } = logs();
    const [name, id] = [await topic(log, { partitions: 2 }), group()];
    const one = await join(log, { group: id, topic: name, replicas: 1 });
    await eventually(() => one.owned().length === 2);
    // Nothing is awaited of it yet, so there is nobody to whom it could say so.
    const onAsked = ({ warm }: Member): void => void warm.set(0, 0).set(1, 0);
    const two = await join(other, { group: id, topic: name, replicas: 1, onAsked });
    await eventually(() => one.owned().length === 1 && two.owned().length === 1);
    await one.consumer.close();
    await two.consumer.close();
  });

  test('a stalled reader stays so through rebalances that leave its partition where it is, and reads nothing ahead', async () => {
    const { log, other } = logs();
    const [name, id] = [await topic(log, { partitions: 2 }), group()];
    const handed: string[] = [];
    let release = (): void => {};
    const stalled = new Promise<void>((resolve) => {
      release = resolve;
    });
    const one = await log.consume({
      group: id,
      topics: [name],
      onBatch: async (batch) => {
        handed.push(`${batch.partition}:${textOf(batch.records)}`);
        if (batch.partition === 0) await stalled;
      },
    });
    await send(name, record('k', 'a', 0));
    await eventually(() => handed.length === 1);
    await send(name, record('k', 'b', 0));
    const two = await other.consume({ group: id, topics: [name], onBatch: async () => {} });
    await eventually(() => one.assignment.length === 1 && two.assignment.length === 1);
    expect(one.assignment).toEqual([{ topic: name, partition: 0 }]);
    await two.close();
    await eventually(() => one.assignment.length === 2);
    await send(name, record('k', 'c', 1));
    await eventually(() => handed.includes('1:c'));
    // It was handed over once, and nothing after it: neither for the rebalances nor for what came since.
    expect(handed.filter((one) => one.startsWith('0'))).toEqual(['0:a']);
    release();
    await eventually(() => handed.includes('0:b'));
    await one.close();
  });
}
