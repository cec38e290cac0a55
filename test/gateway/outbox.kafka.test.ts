import { afterAll, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createOutbox } from '../../gateway/outbox.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { isSkipped, kafka } from '../stack/index.ts';
import { skipSuite } from '../stack/suite.ts';
import { expectLedgerClosed } from './ledger.ts';
import { bench, until } from './parts-kit.ts';

const part = await kafka();
if (isSkipped(part)) skipSuite('The outbox on Kafka', part.skipped);
else {
  afterAll(() => part.stop());

  test('a broker killed under load: every signal acknowledged is there, in order, and no ordinal is missing', async () => {
    const log = await createKafkaLog({ brokers: part.brokers, clientId: 'outbox-test', logger: silentLogger });
    const on = await bench({ partitions: 3, log });
    const outbox = await createOutbox({ log, codecs: on.codecs, logger: silentLogger, markerEvery_ms: 100 });
    const acknowledged: string[] = [];
    const sending: Promise<unknown>[] = [];
    const seqs = new Map<string, number>();
    let done = false;
    const load = (async () => {
      for (let i = 0; !done; i++) {
        const user = `u${i % 40}`;
        const seq = seqs.get(user) ?? 0;
        seqs.set(user, seq + 1);
        const [user_id, device_id, session_id, connection_id] = [user, 'd1', 's1', `c-${user}`];
        const draft = { user_id, device_id, session_id, connection_id };
        const signal = seq === 0 ? ({ ...draft, kind: 'hello' } as const) : ({ ...draft, kind: 'heartbeat', seq } as const);
        sending.push(outbox.send(signal).then(() => acknowledged.push(`${user} ${seq}`)));
        if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await until(() => acknowledged.length > 500);
    for (let round = 0; round < 2; round++) {
      await part.kill();
      await until(() => !outbox.connected);
      const before = acknowledged.length;
      await part.restart();
      await until(() => outbox.connected && acknowledged.length > before + 500);
    }
    done = true;
    await load;
    await Promise.all(sending);
    for (const signals of await on.signals()) expectLedgerClosed(signals);
    const there = new Set((await on.signals()).flat().map(({ user_id, seq }) => `${user_id} ${seq ?? 0}`));
    expect(acknowledged.filter((name) => !there.has(name))).toEqual([]);
    expect(acknowledged.length).toBe(sending.length);
    await outbox.close(1_000);
    await log.close();
  });
}
