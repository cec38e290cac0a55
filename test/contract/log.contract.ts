/**
 * What every log does (ports/log.ts), whatever is behind it. Run by log.embedded.test.ts and log.kafka.test.ts.
 * Topics and groups have names of their own in each test, so that a shared broker will do.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { groupLaws } from './log.groups.ts';
import type { LogUnderTest, Subject } from './log.kit.ts';
import { readingLaws } from './log.reading.ts';
import { standbyLaws } from './log.standby.ts';
import { topicLaws } from './log.topics.ts';
import { transactionLaws } from './log.transactions.ts';
import { writingLaws } from './log.writing.ts';

export function logContract(title: string, open: () => Promise<LogUnderTest>): void {
  describe(title, () => {
    let opened: LogUnderTest;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(async () => {
      await opened?.log.close();
      await opened?.other.close();
    });
    const subject: Subject = {
      logs: () => opened,
      send: async (name, ...records) => {
        const producer = await opened.log.producer();
        const answers = await producer.send([{ topic: name, records }]);
        await producer.close();
        return answers;
      },
    };
    topicLaws(subject);
    writingLaws(subject);
    readingLaws(subject);
    groupLaws(subject);
    standbyLaws(subject);
    transactionLaws(subject);
  });
}
