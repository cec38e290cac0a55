/** Which way the records of a commit go; that nothing is lost and only the same said again is test/runtime/presence.test.ts's. */
import { expect, test } from 'vitest';
import { type Logger, silentLogger } from '../base/logger.ts';
import { valuesOf } from '../base/metrics.ts';
import type { LogTransactions, TopicRecords } from '../ports/log.ts';
import { atLeastOnce, WHOLE_BYTES } from './at-least-once.ts';

/** Notes what is asked of it. */
function noted() {
  const calls: string[] = [];
  const name = (batches: readonly TopicRecords[]): string => batches.map(({ topic }) => topic).join('+');
  const transactions: LogTransactions = {
    fence: async () => void calls.push('fence'),
    reopen: async () => void calls.push('reopen'),
    close: async () => void calls.push('close'),
    commit: async (batches) => {
      calls.push(`commit ${name(batches)}`);
      return [];
    },
    append: async (batches) => {
      calls.push(`append ${name(batches)}`);
      return [];
    },
  };
  const wrapped = atLeastOnce(transactions, {
    logger: silentLogger,
    commitPosition: async (offset) => {
      calls.push(`position ${offset}`);
      if (offset === 13) throw new Error('The group is elsewhere.');
    },
  });
  return { calls, transactions, wrapped };
}

const say = (bytes: number): TopicRecords[] => [
  { topic: 'diffs', records: [{ key: 'a', value: Buffer.alloc(10) }] },
  { topic: 'state', records: [{ key: 'a', value: Buffer.alloc(bytes) }] },
];
const at = (offset: number) => ({ group: 'g', offsets: [{ topic: 'signals', partition: 0, offset }] });

test.each([
  {
    what: 'a state that a log takes whole is appended behind the output, then the position',
    bytes: 100,
    offset: 7,
    calls: ['append diffs+state', 'position 7'],
  },
  { what: 'a larger one goes in a transaction, position and all', bytes: WHOLE_BYTES, offset: 7, calls: ['commit diffs+state'] },
  {
    what: 'a position that cannot be taken undoes nothing',
    bytes: 100,
    offset: 13,
    calls: ['append diffs+state', 'position 13'],
  },
])('$what', async ({ bytes, offset, calls: expected }) => {
  const { calls, wrapped } = noted();
  await wrapped.commit(say(bytes), at(offset));
  expect(calls).toEqual(expected);
});

test('taking and settling the id are the same as ever', async () => {
  const { calls, wrapped } = noted();
  await wrapped.fence();
  await wrapped.reopen();
  await wrapped.close();
  expect(calls).toEqual(['fence', 'reopen', 'close']);
});

test('positions that the group does not take are counted, and told of once an outage', async () => {
  const said: string[] = [];
  const note = (level: string) => () => void said.push(level);
  const logger = { ...silentLogger, warn: note('warn'), debug: note('debug'), info: note('info') } as unknown as Logger;
  const failed = async (): Promise<number> => (await valuesOf('presence_group_positions_failed_total'))[0]?.value ?? 0;
  const before = await failed();
  let down = false;
  const commitPosition = async (): Promise<void> => {
    if (down) throw new Error('The group is elsewhere.');
  };
  const wrapped = atLeastOnce(noted().transactions, { logger, commitPosition });
  for (const away of [false, true, true, true, false, true]) {
    down = away;
    await wrapped.commit(say(10), at(7));
  }
  expect(said).toEqual(['warn', 'debug', 'debug', 'info', 'warn']);
  expect((await failed()) - before).toBe(4);
});
