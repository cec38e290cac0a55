/**
 * A topology without a broker: one partition, virtual time, everything in memory.
 *
 * The driver is a log and a committer: it stamps records as it is told, feeds them one by one, and keeps what
 * was emitted as a compacted state topic would. `restart` throws the processor away and restores another from
 * that, as after a crash right then.
 */
import type { Input } from '../../processors/stage.ts';
import type { Delivery, Diff, PartitionState, Signal, UserState } from '../../schemas/generated.ts';
import type { PresenceEmission, PresenceProcessor } from './partition.ts';
import { jsonRecords, StoredMap } from './stored-map.ts';
import type { Topology } from './topology.ts';

export interface DriverOptions {
  /** Default 0. */
  readonly partition?: number;
  /** Keeps the state in an image, and so many users in memory. Default: all users in memory, and no image. */
  readonly hotUsers?: number;
}

export class Driver {
  /** What would be in the topics. */
  readonly signals: Input<Signal>[] = [];
  readonly states = new Map<string, UserState>();
  readonly diffs: Diff[] = [];
  readonly controls: Delivery[] = [];
  readonly emissions: PresenceEmission[] = [];
  partitionRecord: PartitionState | null = null;
  processor: PresenceProcessor;
  private readonly topology: Pick<Topology, 'processor'>;
  private readonly partition: number;
  private readonly hotUsers: number | null;

  constructor(topology: Pick<Topology, 'processor'>, options: DriverOptions = {}) {
    this.topology = topology;
    this.partition = options.partition ?? 0;
    this.hotUsers = options.hotUsers ?? null;
    this.processor = this.fresh();
    this.processor.restore();
  }

  /** A processor with all that was committed; to be restored. */
  private fresh(): PresenceProcessor {
    const { topology, partition, hotUsers, states, partitionRecord } = this;
    let processor: PresenceProcessor;
    if (hotUsers === null) {
      processor = topology.processor(partition);
      for (const [key, state] of states) processor.load(key, structuredClone(state));
    } else {
      const stored = new StoredMap();
      for (const [key, state] of states) stored.put(key, jsonRecords.encode(state));
      processor = topology.processor(partition, { stored, records: jsonRecords, hotUsers });
      processor.emissions.subscribe((emission) => {
        for (const { key, value } of emission.states) stored.put(key, jsonRecords.encode(value));
      });
    }
    if (partitionRecord !== null) processor.loadPartition(structuredClone(partitionRecord));
    return processor;
  }

  /** Appends a record, stamped so, and processes it. */
  feed(stamp: number, value: Signal, traceparent?: string): readonly PresenceEmission[] {
    const offset = this.signals.length;
    const record: Input<Signal> = traceparent === undefined ? { offset, stamp, value } : { offset, stamp, value, traceparent };
    this.signals.push(record);
    return this.commit(this.processor.process({ partition: this.partition, records: [record], nextOffset: offset + 1 }));
  }

  /** The once-a-second commit. */
  checkpoint(): PresenceEmission | null {
    const emission = this.processor.checkpoint();
    if (emission !== null) this.commit([emission]);
    return emission;
  }

  /** Dies, and is restored from what was committed and the log. What it emits then was not committed before. */
  restart(): void {
    const processor = this.fresh();
    const { tailFrom, position } = processor.restore();
    const { partition } = this;
    processor.tail({ partition, records: this.signals.slice(tailFrom, position), nextOffset: position });
    this.commit(processor.process({ partition, records: this.signals.slice(position), nextOffset: this.signals.length }));
    this.processor = processor;
  }

  private commit(emissions: readonly PresenceEmission[]): readonly PresenceEmission[] {
    for (const emission of emissions) {
      for (const { key, value } of emission.states) this.states.set(key, value);
      for (const { value } of emission.diffs) this.diffs.push(value);
      for (const { value } of emission.controls) this.controls.push(value);
      this.partitionRecord = emission.partition;
      this.emissions.push(emission);
    }
    return emissions;
  }
}
