/** Sends without a transaction: one after the other, each record once as far as this process lives. */
import { PresenceError } from '../../base/errors.ts';
import type { Appended, LogProducer, TopicRecords } from '../../ports/log.ts';
import { type Client, persist } from './client.ts';
import { isOutOfSequence, isRefused, unavailable } from './errors.ts';
import { initProducerId } from './requests.ts';
import { type Pending, refused, Writer } from './writer.ts';

export function createProducer(client: Client): LogProducer {
  const connection = client.open();
  const writer = new Writer(client, connection, null);
  const options = { connection, patience_ms: client.patience_ms, final: (error: unknown) => error instanceof PresenceError };
  /** Of the last send, where it was given up. */
  let left: Pending | null = null;
  let turn: Promise<unknown> = Promise.resolve();

  async function identify(): Promise<void> {
    await connection.prepare([]);
    const controller = await connection.cluster.findControllerBroker();
    writer.renew(await connection.send(controller.nodeId, initProducerId(null, 0, null)));
  }

  async function prepare(batches: readonly TopicRecords[]): Promise<Pending> {
    if (left !== null && isSame(left, batches)) return left;
    if (left !== null) writer.renew(null);
    left = null;
    return persist(options, async () => {
      if (writer.identity === null) await identify();
      return writer.encode(batches);
    });
  }

  async function send(batches: readonly TopicRecords[], partly: boolean): Promise<readonly Appended[]> {
    try {
      const pending = await prepare(batches);
      left = pending;
      const answers = await writer.write(pending, partly);
      if (pending.batches.every(({ answer }) => answer !== null)) left = null;
      return answers;
    } catch (error) {
      if (isRefused(error)) {
        // Some of its partitions may have been written, others not: the sequences start anew.
        left = null;
        writer.renew(null);
        throw refused('send', error);
      }
      if (isOutOfSequence(error)) {
        // The broker has forgotten this producer id (its data expired, or was lost).
        left = null;
        writer.renew(null);
      }
      throw unavailable('send', error);
    }
  }

  function inTurn(batches: readonly TopicRecords[], partly: boolean): Promise<readonly Appended[]> {
    const sent = turn.then(() => send(batches, partly));
    turn = sent.catch(() => {});
    return sent;
  }

  return {
    send: (batches) => inTurn(batches, false),
    offer: (batches) => inTurn(batches, true),
    async close() {
      await turn;
      await connection.close();
    },
  };
}

/** The same records, one by one: their bytes are as they were. */
function isSame(pending: Pending, batches: readonly TopicRecords[]): boolean {
  const records = batches.flatMap((batch) => batch.records);
  return records.length === pending.records.length && records.every((record, index) => record === pending.records[index]);
}
