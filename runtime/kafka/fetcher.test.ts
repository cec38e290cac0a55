/** A batch that cannot be unpacked is said once, is fetched again, and holds up its partition until it can be. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { until } from '../../test/runtime/world.ts';
import type { Client } from './client.ts';
import { Fetcher, readAnswer } from './fetcher.ts';
import { encodeBatch } from './record-batch.ts';

const nobody = { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false };
const ATTRIBUTES_AT = 22;
const answerOf = (data: Buffer) => ({ topic: 't', partition: 0, errorCode: 0, stable: 2, start: 0, aborted: [], data });

/** Two records; `damaged`: with the number of a codec that there is not. */
function batch(damaged: boolean): Buffer {
  const bytes = encodeBatch(
    [
      { key: 'k', value: Buffer.from('a') },
      { key: 'k', value: Buffer.from('b') },
    ],
    nobody,
    1,
  );
  if (damaged) bytes[ATTRIBUTES_AT] = 5;
  return bytes;
}

/** A broker whose partition is damaged until `repaired`. */
function broker() {
  const lines: { level: number; code?: string; at?: string; help?: string }[] = [];
  const state = { repaired: false, fetches: 0 };
  const connection = {
    prepare: async () => {},
    byLeader: (sources: readonly unknown[]) => ({ leaders: new Map([[1, sources]]), orphans: [] }),
    send: async () => {
      state.fetches += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return [answerOf(batch(!state.repaired))];
    },
    forget: () => {},
    close: async () => {},
  };
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { state, lines, client: { logger, open: () => connection } as unknown as Client };
}

test('a reader is told which batch cannot be unpacked, and what to do', async () => {
  await expect(readAnswer(answerOf(batch(true)), 0)).rejects.toMatchObject({
    code: 'UNDECODABLE',
    at: 't/0',
    retriable: false,
    message: expect.stringContaining('offset 0'),
    help: expect.stringContaining('replica'),
  });
});

test('a partition waits for a batch that cannot be unpacked, says so once, and goes on when it can be', async () => {
  const { state, lines, client } = broker();
  const fetcher = new Fetcher(client);
  const seen: string[] = [];
  const onBatch = async ({ records }: { readonly records: readonly { readonly value: Buffer | null }[] }) =>
    void seen.push(...records.map(({ value }) => String(value)));
  fetcher.add({ topic: 't', partition: 0, position: 0, otherwise: 'start', onBatch }).start();
  await until('it has been fetched again', () => state.fetches >= 3);
  expect(seen).toEqual([]);
  expect(lines).toMatchObject([{ level: 50, code: 'UNDECODABLE', at: 't/0', help: expect.any(String) }]);
  state.repaired = true;
  await until('it is read', () => seen.length >= 2);
  expect(seen.slice(0, 2)).toEqual(['a', 'b']);
  await fetcher.close();
});

test('a fetcher closes at once though a partition waits for a batch', async () => {
  const { state, client } = broker();
  const fetcher = new Fetcher(client);
  fetcher.add({ topic: 't', partition: 0, position: 0, otherwise: 'start', onBatch: async () => {} }).start();
  await until('it has been fetched', () => state.fetches >= 1);
  const closed = fetcher.close().then(() => 'closed');
  expect(await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 1_000, 'waiting'))])).toBe('closed');
});
