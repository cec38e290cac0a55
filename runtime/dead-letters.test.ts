import { expect, test } from 'vitest';
import { PresenceError } from '../base/errors.ts';
import { deadLetterRecord } from './dead-letters.ts';

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
