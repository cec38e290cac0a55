/** What tests of the gateway's parts need: an embedded log with its topics, connections that remember, and readers of the log. */
import type { Connection } from '../../gateway/parts.ts';
import type { Log } from '../../ports/log.ts';
import { createEmbeddedLog, type EmbeddedFaults } from '../../runtime/log-embedded.ts';
import { type Codecs, createCodecs } from '../../schemas/codec.ts';
import { createEmbeddedRegistry } from '../../schemas/embedded-registry.ts';
import type { Delivery, Diff, Signal } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';

export interface Bench {
  readonly log: Log;
  readonly codecs: Codecs;
  /** Every signal in the log, by partition, in order. */
  signals(): Promise<readonly (readonly Signal[])[]>;
  say(control: Partial<Delivery> & Pick<Delivery, 'kind' | 'gateway_id'>): Promise<void>;
  diffs(diffs: readonly Diff[]): Promise<void>;
}

interface BenchOptions {
  readonly partitions?: number;
  readonly faults?: EmbeddedFaults;
  readonly now?: () => number;
  /** An empty log to use instead of an embedded one. */
  readonly log?: Log;
}

export async function bench(options: BenchOptions = {}): Promise<Bench> {
  const { partitions = 2, faults, now } = options;
  const embedded = { ...(faults === undefined ? {} : { faults }), ...(now === undefined ? {} : { now }) };
  const log = options.log ?? (await createEmbeddedLog(embedded));
  const names = [topicNames.signals, topicNames.diffs, topicNames.deliveries];
  await log.ensureTopics([
    ...names.map((name) => ({ name, partitions, cleanup: 'delete' as const, retention_ms: 86_400_000 })),
    { name: topicNames.interest, partitions, cleanup: 'compact' as const },
  ]);
  const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
  const producer = await log.producer();
  return {
    log,
    codecs,
    async signals() {
      const all: Signal[][] = [];
      for (let partition = 0; partition < partitions; partition++) {
        const signals: Signal[] = [];
        all.push(signals);
        const onBatch = (batch: { readonly records: readonly { readonly value: Buffer | null }[] }) =>
          void signals.push(...batch.records.map((record) => codecs.signal.decode(record.value as Buffer)));
        await log.read({ topic: topicNames.signals, partition, from: 0, onBatch });
      }
      return all;
    },
    async say(control) {
      const value = codecs.delivery.encode({ user_id: null, device_id: null, connection_id: null, partition: null, ...control });
      await producer.send([{ topic: topicNames.deliveries, records: [{ key: control.gateway_id, value }] }]);
    },
    async diffs(diffs) {
      const records = diffs.map((diff) => ({ key: diff.user_id, value: codecs.diff.encode(diff) }));
      await producer.send([{ topic: topicNames.diffs, records }]);
    },
  };
}

/** A connection without a socket: keeps its frames, and what it was refused with. */
export class FakeConnection implements Connection {
  readonly id: string;
  readonly userKey: string;
  readonly tenant = 'default';
  open = true;
  slow = false;
  // biome-ignore lint/suspicious/noExplicitAny: frames of the wire, looked at field by field
  readonly frames: any[] = [];
  refused: { readonly code: string; readonly closeCode: number } | null = null;
  onFrame: (frame: unknown) => void = () => {};

  constructor(userKey: string, id: string) {
    this.userKey = userKey;
    this.id = id;
  }

  send(text: string): boolean {
    const frame = JSON.parse(text);
    this.frames.push(frame);
    this.onFrame(frame);
    return this.open && !this.slow;
  }

  refuse(code: string, _detail: string, closeCode: number): void {
    this.refused = { code, closeCode };
    this.open = false;
  }
}

/** Waits, however long the machine takes (the test's own limit ends it). */
export async function until<T>(what: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const value = await what();
    if (value) return value as NonNullable<T>;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
