/** Transactions: all or nothing, and who may write them. Part of the log's contract (log.contract.ts). */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Log } from '../../ports/log.ts';
import { codeOf, group, readAll, record, type Subject, textOf, topic } from './log.kit.ts';

export function transactionLaws({ logs, send }: Subject): void {
  const open = async (log: Log, id = randomUUID()) => {
    const transactional = await log.transactions(id);
    await transactional.fence();
    return transactional;
  };

  test('a transaction writes to all its topics and positions', async () => {
    const { log } = logs();
    const [state, diffs, input] = [
      await topic(log, { cleanup: 'compact' }),
      await topic(log, { partitions: 2 }),
      await topic(log),
    ];
    const name = group();
    const transactional = await open(log);
    for (let i = 1; i <= 3; i += 1) {
      await transactional.commit(
        [
          { topic: state, records: [record('user', `state ${i}`)] },
          { topic: diffs, records: [record('user', `diff ${i}`, 0), record('other', `diff ${i}`, 1)] },
        ],
        { group: name, offsets: [{ topic: input, partition: 0, offset: i * 10 }] },
      );
    }
    await transactional.fence();
    expect(textOf(await readAll(log, state)).at(-1)).toBe('state 3');
    expect(textOf(await readAll(log, diffs, 0))).toEqual(['diff 1', 'diff 2', 'diff 3']);
    expect(textOf(await readAll(log, diffs, 1))).toEqual(['diff 1', 'diff 2', 'diff 3']);
    expect(await log.committed(name, input)).toEqual([30]);
  });

  test('nobody can tell from an offset how many records there are', async () => {
    const { log } = logs();
    const name = await topic(log);
    const transactional = await open(log);
    await transactional.commit([{ topic: name, records: [record('k', 'a')] }]);
    await transactional.fence();
    await send(name, record('k', 'b'));
    const [first, second] = (await readAll(log, name)).map(({ offset }) => offset);
    expect(first).toBe(0);
    // The commit's marker lies between, and on Kafka the one that the fence writes to end what may hang.
    expect(second).toBeGreaterThan(1);
  });

  test('who takes an id fences who had it, and nothing of theirs is seen', async () => {
    const { log, other } = logs();
    const [name, input] = [await topic(log), await topic(log)];
    const [id, groupName] = [randomUUID(), group()];
    const zombie = await open(log, id);
    await zombie.commit([{ topic: name, records: [record('k', 'before')] }]);
    const heir = await open(other, id);
    const offsets = { group: groupName, offsets: [{ topic: input, partition: 0, offset: 5 }] };
    expect(await codeOf(zombie.commit([{ topic: name, records: [record('k', 'zombie')] }], offsets))).toBe('FENCED');
    expect(await codeOf(zombie.commit([{ topic: name, records: [record('k', 'zombie')] }]))).toBe('FENCED');
    await heir.commit([{ topic: name, records: [record('k', 'heir')] }]);
    await heir.fence();
    expect(textOf(await readAll(log, name))).toEqual(['before', 'heir']);
    expect(await log.committed(groupName, input)).toEqual([null]);
  });

  test('a fenced zombie that takes the id back fences its heir: order is for the group to keep', async () => {
    const { log } = logs();
    const name = await topic(log);
    const id = randomUUID();
    const [one, two] = [await open(log, id), await open(log, id)];
    await one.fence();
    await one.commit([{ topic: name, records: [record('k', 'one')] }]);
    expect(await codeOf(two.commit([{ topic: name, records: [record('k', 'two')] }]))).toBe('FENCED');
  });

  test("who reopens an id that is somebody else's by now is told so, and takes it from nobody", async () => {
    const { log, other } = logs();
    const name = await topic(log);
    const id = randomUUID();
    const zombie = await open(log, id);
    await zombie.reopen();
    await zombie.commit([{ topic: name, records: [record('k', 'before')] }]);
    const heir = await open(other, id);
    expect(await codeOf(zombie.reopen())).toBe('FENCED');
    await heir.commit([{ topic: name, records: [record('k', 'heir')] }]);
    await heir.reopen();
    expect(textOf(await readAll(log, name))).toEqual(['before', 'heir']);
  });

  test('what is appended is readable at once, in order, and is fenced as transactions are', async () => {
    const { log, other } = logs();
    const [state, output] = [await topic(log, { cleanup: 'compact' }), await topic(log)];
    const id = randomUUID();
    const zombie = await log.transactions(id, [
      { topic: state, partition: 0 },
      { topic: output, partition: 0 },
    ]);
    expect(await codeOf(zombie.append([{ topic: output, records: [record('k', 'early')] }]))).toBe('INTERNAL');
    await zombie.fence();
    const say = (what: string) => [
      { topic: output, records: [record('k', `${what} said`)] },
      { topic: state, records: [record('a', what), record('b', what)] },
    ];
    for (const what of ['one', 'two']) {
      const appended = await zombie.append(say(what));
      expect(appended.map((one) => one.topic)).toEqual([output, state]);
      expect(textOf(await readAll(log, output)).at(-1)).toBe(`${what} said`);
      expect(textOf(await readAll(log, state)).slice(-2)).toEqual([what, what]);
    }
    // The same id writes transactions in between.
    await zombie.commit(say('three'));
    await zombie.append(say('four'));
    const heir = await other.transactions(id, [
      { topic: state, partition: 0 },
      { topic: output, partition: 0 },
    ]);
    await heir.fence();
    expect(await codeOf(zombie.append(say('zombie')))).toBe('FENCED');
    expect(await codeOf(zombie.reopen())).toBe('FENCED');
    await heir.append(say('five'));
    await heir.reopen();
    await heir.append(say('six'));
    const said = ['one', 'two', 'three', 'four', 'five', 'six'];
    expect(textOf(await readAll(log, output))).toEqual(said.map((what) => `${what} said`));
    expect(textOf(await readAll(log, state))).toEqual(expect.arrayContaining(['six', 'six']));
    expect(textOf(await readAll(log, state))).not.toContain('zombie');
  });

  test('ids do not disturb each other', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 4 });
    const ids = await Promise.all([0, 1, 2, 3].map(() => open(log)));
    await Promise.all(
      ids.map(async (transactional, partition) => {
        for (let i = 0; i < 5; i += 1) await transactional.commit([{ topic: name, records: [record('k', `${i}`, partition)] }]);
        await transactional.fence();
      }),
    );
    for (let partition = 0; partition < 4; partition += 1) {
      expect(textOf(await readAll(log, name, partition))).toEqual(['0', '1', '2', '3', '4']);
    }
  });

  test('a transaction without a record, or before the fence, is a fault of the caller', async () => {
    const { log } = logs();
    const name = await topic(log);
    const transactional = await log.transactions(randomUUID());
    expect(await codeOf(transactional.commit([{ topic: name, records: [record('k', 'v')] }]))).toBe('INTERNAL');
    await transactional.fence();
    expect(await codeOf(transactional.commit([{ topic: name, records: [] }]))).toBe('INTERNAL');
  });
}
