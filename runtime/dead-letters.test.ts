import { expect, test } from 'vitest';
import { PresenceError } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import type { OutRecord } from '../ports/log.ts';
import { deadLetterRecord, putAside } from './dead-letters.ts';

const from = { topic: 'presence.signals', partition: 3 };

test('a dead letter is the record byte for byte, and says why and where from', () => {
  const record = {
    offset: 17,
    timestamp: 1,
    key: Buffer.from([0xff, 0]),
    value: Buffer.from([1, 2, 0xfe]),
    headers: { mine: Buffer.from([9]) },
  };
  const error = new PresenceError('UNDECODABLE', 'seq is missing.', { at: 'signal', retriable: false });
  const letter = deadLetterRecord({ record, error }, from, Date.UTC(2026, 0, 2, 3, 4, 5, 6));
  expect(letter.key).toEqual(record.key);
  expect(letter.value).toEqual(record.value);
  expect(letter.headers).toEqual({
    mine: Buffer.from([9]),
    reason: 'seq is missing.',
    code: 'UNDECODABLE',
    topic: 'presence.signals',
    partition: '3',
    offset: '17',
    at: '2026-01-02T03:04:05.006Z',
  });
});

test("a header of the record's own under one of these names is kept beside it", () => {
  const record = { offset: 1, timestamp: 1, key: null, value: null, headers: { reason: Buffer.from('because') } };
  const { headers, key, value } = deadLetterRecord({ record, error: new Error('boom') }, from, 0);
  expect([key, value, headers?.reason, headers?.code]).toEqual([null, null, 'boom', 'INTERNAL']);
  expect(headers?.['original-reason']).toEqual(Buffer.from('because'));
});

test('a record that leaves no room for the headers is put aside without its value; the others with theirs', async () => {
  const written: OutRecord[] = [];
  const producer = {
    send: async (batches: readonly { readonly records: readonly OutRecord[] }[]) => {
      const records = batches.flatMap((batch) => batch.records);
      if (records.some(({ value }) => (value?.length ?? 0) > 100))
        throw new PresenceError('BAD_INPUT', 'Too large.', { at: 'log', retriable: false });
      written.push(...records);
      return [];
    },
  };
  const record = (offset: number, size: number) => ({ offset, timestamp: 1, key: null, value: Buffer.alloc(size), headers: {} });
  const letters = [record(1, 10), record(2, 500), record(3, 20)].map((one) => ({ record: one, error: new Error('boom') }));
  await putAside(letters, { from, topic: 'dlq', producer, logger: silentLogger });
  expect(written.map(({ value, headers }) => [headers?.offset, value?.length ?? null, headers?.['value-left-out']])).toEqual([
    ['1', 10, undefined],
    ['2', null, '500 bytes'],
    ['3', 20, undefined],
  ]);
});
