/** Control records on their way out: what is held is shown, and is never more than the limit beside what is being sent. */
import { expect, test } from 'vitest';
import { silentLogger } from '../base/logger.ts';
import { valuesOf } from '../base/metrics.ts';
import type { OutRecord } from '../ports/log.ts';
import { ControlSender } from './controls.ts';

const held = async (): Promise<number | undefined> => (await valuesOf('presence_controls_held'))[0]?.value;

test.each([{ answer: 'taken' }, { answer: 'refused' }] as const)(
  'what waits and what is being sent is shown until it is $answer',
  async ({ answer }) => {
    let settle = (): void => {};
    const sent: number[] = [];
    const send = async (batches: readonly { readonly records: readonly OutRecord[] }[]) => {
      sent.push(batches[0]?.records.length ?? 0);
      await new Promise<void>((resolve) => {
        settle = resolve;
      });
      if (answer === 'refused') throw new Error('No broker.');
      return [];
    };
    const sender = new ControlSender({ producer: { send }, topic: 'controls', limit: 3, logger: silentLogger });
    const records = (count: number): OutRecord[] => Array.from({ length: count }, () => ({ key: 'gw', value: null }));
    sender.send(records(2));
    expect(await held()).toBe(2);
    sender.send(records(5));
    // Three of five: the rest is said again by the topology.
    expect(await held()).toBe(5);
    settle();
    while (sent.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(await held()).toBe(3);
    settle();
    await sender.close();
    expect(await held()).toBe(0);
    expect(sent).toEqual([2, 3]);
  },
);
