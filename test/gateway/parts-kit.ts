/** What tests of the gateway's parts need: an embedded log with its topics, connections that remember, and readers of the log. */
import { silentLogger } from '../../base/logger.ts';
import type { Connection } from '../../gateway/parts.ts';
import type { Log } from '../../ports/log.ts';
import { type DampOptions, damp } from '../../processors/fan-out/damp.ts';
import { newest } from '../../processors/fan-out/newest.ts';
import { route } from '../../processors/fan-out/route.ts';
import { minutes, ms, seconds } from '../../processors/time.ts';
import { type JoinedRunner, runJoined } from '../../runtime/joined.ts';
import { createEmbeddedLog, type EmbeddedFaults } from '../../runtime/log-embedded.ts';
import { type Codecs, createCodecs } from '../../schemas/codec.ts';
import { createEmbeddedRegistry } from '../../schemas/embedded-registry.ts';
import type { Delivery, Diff, Signal } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';
import { fanOut } from '../../topology/fan-out.ts';
import { deliverySink, type Joined, joined } from '../../topology/kit/joined.ts';
import { topics } from '../../topology/topics.ts';

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
  const names = [topicNames.signals, topicNames.diffs, topicNames.routes, topicNames.deliveries];
  await log.ensureTopics([
    ...names.map((name) => ({ name, partitions, cleanup: 'delete' as const, retention_ms: 86_400_000 })),
    { name: topicNames.interest, partitions, cleanup: 'compact' as const },
    { name: topicNames.state, partitions, cleanup: 'compact' as const },
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

/** The fan-out topology, as the role `topology` runs it; or one that takes more, or less, for flapping. */
export const runFanOut = ({ log, codecs }: Bench, flapping?: Partial<DampOptions>): Promise<JoinedRunner> =>
  runJoined({ log, codecs, joined: flapping === undefined ? fanOut : damped(flapping), group: 'fan-out', logger: silentLogger });

const damped = (flapping: Partial<DampOptions>): Joined => {
  const { diffs, routes, state, deliveries } = topics;
  const clock = { hole: ms(1_500), settle: seconds(2), leap: seconds(1) };
  return joined('fan-out', 1, { name: 'diffs', topic: diffs, joins: routes, table: state, key: 'user_id', clock })
    .pipe(
      newest('users', { remember: minutes(7), changes: 500_000, store: 'newest' }),
      damp('flapping', { changes: 15, within: minutes(1), most: 2, store: 'gates', ...flapping }),
      route('gateways', { lease: seconds(3), again: seconds(1), told: 3, store: 'wanted' }),
    )
    .to(deliverySink('deliveries', { topic: deliveries }));
};
