/**
 * A leg: some rounds on one broker, from its first record on, so that all of them can be replayed from the input alone. Load
 * goes on all the time; after each round's faults it pauses until everything said has been read, and the log is judged.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '../../base/logger.ts';
import { TOPOLOGY_GROUP } from '../../cli/run-topology.ts';
import type { Log } from '../../ports/log.ts';
import type { ProcessingGuarantee } from '../../runtime/at-least-once.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { type Codecs, createCodecs } from '../../schemas/codec.ts';
import { createConfluentRegistry } from '../../schemas/confluent-registry.ts';
import { topicNames } from '../../schemas/topics.ts';
import { need } from '../load/cluster.ts';
import { Writers } from '../load/writers.ts';
import { type KafkaPart, kafka } from '../stack/index.ts';
import { type Found, LegEvidence } from './evidence.ts';
import { type Done, Instances } from './instances.ts';
import { describePlan, type RoundPlan } from './plan.ts';
import { type Takeover, takeovers } from './takeover.ts';

export interface LegOptions {
  readonly registryUrl: string;
  readonly seed: number;
  readonly users: number;
  /** Signals a second. */
  readonly rate: number;
  readonly guarantee: ProcessingGuarantee;
  /** Each partition has a warm standby, and each instance a folder for snapshots; else neither. */
  readonly warm: boolean;
  /** For the broker's data and everybody's log. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

export interface RoundResult {
  readonly plan: RoundPlan;
  readonly faults: readonly string[];
  readonly seconds: number;
  /** User signals written, and diffs committed. */
  readonly signals: number;
  readonly diffs: number;
  /** At least once: diffs that came again. */
  readonly repeats: number;
  readonly takeovers: readonly Takeover[];
}

interface Load {
  readonly writers: Writers;
  readonly evidence: LegEvidence;
}

/** How long everything said may take to be read, once the faults are over. */
const QUIET_MS = 180_000;
const CUT_MS = 200;

export class Leg {
  readonly #options: LegOptions;
  readonly #broker: KafkaPart;
  readonly log: Log;
  readonly codecs: Codecs;
  readonly #instances: Instances;
  #load: Load | null = null;

  private constructor(options: LegOptions, broker: KafkaPart, log: Log, codecs: Codecs) {
    this.#options = options;
    this.#broker = broker;
    this.log = log;
    this.codecs = codecs;
    const { registryUrl, folder, guarantee, warm, say } = options;
    const env = {
      KAFKA_BROKERS: broker.brokers.join(','),
      SCHEMA_REGISTRY_URL: registryUrl,
      STANDBY_REPLICAS: warm ? '1' : '0',
      ...(guarantee === 'exactly_once' ? {} : { PROCESSING_GUARANTEE: guarantee }),
    };
    this.#instances = new Instances({ env, kafka: broker, folder, snapshots: warm, say });
  }

  static async start(options: LegOptions): Promise<Leg> {
    mkdirSync(options.folder, { recursive: true });
    const broker = await need(kafka({ folder: options.folder }));
    const log = await createKafkaLog({ brokers: broker.brokers, clientId: 'chaos', logger: silentLogger });
    const codecs = await createCodecs({ registry: createConfluentRegistry({ url: options.registryUrl }) });
    return new Leg(options, broker, log, codecs);
  }

  get brokers(): readonly string[] {
    return this.#broker.brokers;
  }

  /** Never rejects: what goes wrong is a fault of the round. */
  async round(plan: RoundPlan): Promise<RoundResult> {
    const began = performance.now();
    const written = this.#load?.writers.written ?? 0;
    this.#options.say(describePlan(plan));
    let done: readonly Done[] = [];
    let found: Found = { faults: [], diffs: 0, repeats: 0 };
    try {
      this.#load?.writers.resume();
      await this.#instances.resize(plan.instances);
      this.#load ??= await this.#begin();
      const { writers, evidence } = this.#load;
      done = await this.#inflict(plan);
      await writers.pause();
      await this.#quiet();
      found = await evidence.look(writers.ordinals);
    } catch (error) {
      const why = error instanceof Error ? `${error.message} ${String(error.cause ?? '')}` : String(error);
      found = { ...found, faults: [`the round could not be finished: ${why}`] };
    }
    const commits = this.#load?.evidence.partitions.map((partition) => partition.commits) ?? [];
    return {
      plan,
      faults: found.faults,
      seconds: Math.round((performance.now() - began) / 100) / 10,
      signals: (this.#load?.writers.written ?? 0) - written,
      diffs: found.diffs,
      repeats: found.repeats,
      takeovers: takeovers(done, this.#instances.logFiles, commits),
    };
  }

  /** Ends load and instances in order; what the log then says is all there is, and must be exact. */
  async end(): Promise<readonly string[]> {
    if (this.#load === null) return ['nothing was written'];
    const { writers, evidence } = this.#load;
    await writers.close();
    await this.#instances.stop();
    return (await evidence.look(writers.ordinals, true)).faults;
  }

  async kill(): Promise<void> {
    await this.#instances.kill();
    await this.log.close();
    await this.#broker.kill();
  }

  /** Once the topics are there: the first instance has made them. */
  async #begin(): Promise<Load> {
    const { log, codecs } = this;
    const { seed, users, rate, guarantee } = this.#options;
    const evidence = await LegEvidence.open({ log, codecs, guarantee });
    return { evidence, writers: await Writers.start({ log, codecs, seed, users, rate }) };
  }

  #inflict({ faults }: RoundPlan): Promise<readonly Done[]> {
    return Promise.all(
      faults.map(async (fault) => {
        await sleep(fault.at_ms);
        return this.#instances.inflict(fault);
      }),
    );
  }

  /** Until everything said has been processed and committed, and one cut longer. */
  async #quiet(): Promise<void> {
    const until = performance.now() + QUIET_MS;
    for (let looks = 0; looks < 2; looks += 1) {
      const ends = await this.log.offsets(topicNames.signals);
      for (;;) {
        const positions = await this.log.committed(TOPOLOGY_GROUP, topicNames.signals).catch(() => []);
        const behind = ends.filter(({ partition, end }) => (positions[partition] ?? 0) < end);
        if (behind.length === 0) break;
        if (performance.now() > until) {
          const names = behind.map(({ partition, end }) => `${partition} (${positions[partition]} of ${end})`);
          throw new Error(`partitions are still behind: ${names.join(', ')}`);
        }
        await sleep(50);
      }
      await sleep(2 * CUT_MS);
    }
  }
}
