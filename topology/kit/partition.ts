/**
 * One partition of a topology: the clock before the chain, the commits after it.
 *
 * **Order.** A record's stamp moves time on. Every deadline that lies between is a happening at the stamp at which
 * its clock reaches it, ordered by that stamp, then overrides, gateways, devices, then by user and device; whenever
 * time is about to leave a cell in which somebody was touched, the cut comes first. Then the record itself. Each of
 * these passes through the whole chain before the next.
 *
 * **Emissions.** What the cuts before a record said is one emission. Its position is that record's offset, its clocks are
 * those of its last cut, which lies in the last millisecond of its cell: a restore from there meets the record again, and judges
 * the rest of the step as the whole (clock.ts). What has happened after that cut is not in it, and happens again.
 *
 * **Restore.** Records are loaded, each stage works out anew what they do not hold, the tail gives back the
 * beats that were not written (processors/tail.ts), and the first record is met with the clocks of the partition record.
 */
import { type Observable, Subject } from 'rxjs';
import { PresenceError } from '../../base/errors.ts';
import { type Arrival, type ClockOptions, PartitionClock } from '../../processors/clock.ts';
import type { Changes } from '../../processors/diff.ts';
import { Gateway } from '../../processors/gateway.ts';
import { Happening } from '../../processors/happening.ts';
import { LOOK_AHEAD, LookAhead } from '../../processors/look-ahead.ts';
import { Device, Ghost, User } from '../../processors/record.ts';
import { Scope } from '../../processors/scope.ts';
import type { Batch, Input } from '../../processors/stage.ts';
import type { UserImage } from '../../processors/stored.ts';
import { applyBeat } from '../../processors/tail.ts';
import { compareTimed, NEVER, type Timed } from '../../processors/timers.ts';
import type { Delivery, Diff, GatewayLease, PartitionState, Signal, UserState } from '../../schemas/generated.ts';
import { BoundChain, type Chain } from './bound-chain.ts';
import type { Emission, Output, PartitionProcessor, ProcessorCounts, ProcessorSizes } from './processor.ts';

export type PresenceEmission = Emission<UserState, PartitionState, Diff, Delivery>;
export type PresenceProcessor = PartitionProcessor<Signal, UserState, PartitionState, Diff, Delivery>;

export interface PartitionOptions {
  readonly partition: number;
  /** name@version. */
  readonly topology: string;
  /** null: stamps of a foreign clock. */
  readonly clock: ClockOptions | null;
  readonly chain: Chain;
  /** null: every user stays in memory. */
  readonly image: UserImage | null;
}

interface Draft {
  states: readonly Output<UserState>[];
  diffs: readonly Output<Diff>[];
  stamp: number;
  partition: PartitionState | null;
}

/** Of one user, device or gateway, in one step of time; beyond it the step would never end. */
const FIRES_EACH_MAX = 100;

const neverEnds = ({ timerKey, timerSubKey }: Timed, stamp: number, at: string): PresenceError => {
  const who = timerSubKey === '' ? timerKey : `${timerKey}/${timerSubKey}`;
  return new PresenceError('INTERNAL', `Time stands still at ${stamp}: the timer of ${who} falls due again and again.`, {
    at,
    retriable: false,
    help: 'A stage leaves a deadline where it was when it falls due: the next one must be later, or none.',
  });
};

export class Partition implements PresenceProcessor {
  readonly emissions: Observable<PresenceEmission>;
  private readonly options: PartitionOptions;
  private readonly scope: Scope;
  private readonly clock: PartitionClock;
  private readonly chain: BoundChain;
  private readonly ahead: LookAhead;
  private readonly happening = new Happening();
  private readonly out = new Subject<PresenceEmission>();
  private loadedPartition: PartitionState | null = null;
  private tailClock: PartitionClock | null = null;
  private next = 0;
  /** The position of the last emission. */
  private emitted = 0;
  private draft: Draft | null = null;
  private cellEnd = 0;

  constructor(options: PartitionOptions) {
    this.options = options;
    this.scope = new Scope(options.partition, options.image);
    this.ahead = new LookAhead(this.scope.users);
    this.clock = new PartitionClock(options.clock);
    this.emissions = this.out.asObservable();
    this.chain = new BoundChain(options.chain, this.scope, (changes) => this.collect(changes));
    this.scope.users.loaded = (user) => this.chain.loaded(user, this.clock.lease);
  }

  get position(): number {
    return this.next;
  }

  get stamp(): number {
    return this.clock.stamp;
  }

  get sizes(): ProcessorSizes {
    const { users, devices, leaseTimers, stampTimers } = this.scope;
    const { stores } = this.chain;
    const timers = leaseTimers.size + stampTimers.size + users.waiting;
    return { users: users.known, hot: users.hot, devices, timers, stores };
  }

  takeCounts(): ProcessorCounts {
    return { ...this.scope.takeCounts(), stages: this.chain.takeCounts() };
  }

  // ---- restore

  load(key: string, value: UserState | null): void {
    this.scope.users.load(key, value);
  }

  loadPartition(value: PartitionState): void {
    this.loadedPartition = value;
  }

  restore(): { readonly tailFrom: number; readonly position: number } {
    const { scope, clock, loadedPartition } = this;
    if (loadedPartition === null) return { tailFrom: 0, position: 0 };
    clock.set(loadedPartition);
    this.enterCell();
    scope.epoch = loadedPartition.epoch;
    scope.missing = loadedPartition.missing;
    scope.repeated = loadedPartition.repeated;
    for (const lease of loadedPartition.gateways) {
      const gateway = Object.assign(new Gateway(lease.gateway_id), lease);
      scope.gateways.set(gateway.gateway_id, gateway);
      this.chain.gatewayLoaded(gateway, clock.lease);
    }
    scope.users.restore(clock, (outline) => this.chain.counted(outline, clock.lease));
    this.tailClock = new PartitionClock(this.options.clock);
    const { tail_stamp, tail_lease, tail_settle, tail_offset, offset } = loadedPartition;
    this.tailClock.set({ stamp: tail_stamp, lease: tail_lease, settle: tail_settle });
    this.next = this.emitted = offset;
    return { tailFrom: tail_offset, position: offset };
  }

  tail(batch: Batch<Signal>): void {
    const { tailClock, loadedPartition } = this;
    if (tailClock === null || loadedPartition === null) return;
    for (const { offset, stamp, value } of batch.records) {
      if (offset < loadedPartition.tail_offset || offset >= loadedPartition.offset) continue;
      tailClock.pass(stamp);
      applyBeat(this.scope, value, offset, tailClock);
    }
  }

  // ---- process

  process(batch: Batch<Signal>): readonly PresenceEmission[] {
    const emissions: PresenceEmission[] = [];
    const { records } = batch;
    for (let i = 0; i < records.length; i += 1) {
      if (i % LOOK_AHEAD === 0) this.ahead.touch(records, i);
      const record = records[i] as Input<Signal>;
      if (record.offset < this.next) continue;
      this.happening.offset = record.offset;
      if (record.stamp !== this.clock.stamp) this.moveTo(record.stamp);
      if (this.draft !== null) emissions.push(this.emit(record.offset));
      this.apply(record);
      this.next = record.offset + 1;
    }
    if (batch.nextOffset > this.next) this.next = batch.nextOffset;
    this.scope.beats.trim();
    this.scope.users.sweep(this.clock.lease);
    return emissions;
  }

  checkpoint(): PresenceEmission | null {
    if (this.scope.touched.length > 0 || this.next === this.emitted) return null;
    this.draft = { states: [], diffs: [], stamp: this.clock.stamp, partition: this.record(this.next) };
    return this.emit(this.next);
  }

  due(): number | null {
    const timer = this.firstTimer();
    const asleep = this.scope.users.nextDue();
    const at = Math.min(timer === null ? NEVER : this.stampOf(timer), this.clock.stampOf(asleep.lease), asleep.stamp);
    const due = this.scope.touched.length > 0 && this.cellEnd < at ? this.cellEnd : at;
    return due === NEVER ? null : due;
  }

  private apply(record: Input<Signal>): void {
    const { happening } = this;
    happening.clear('signal');
    happening.signal = record.value;
    happening.traceparent = record.traceparent ?? null;
    this.pass();
  }

  /** The happening goes through the chain, at the clocks' present time. */
  private pass(): void {
    const { happening, clock } = this;
    happening.stamp = clock.stamp;
    happening.lease = clock.lease;
    happening.settle = clock.settle;
    this.chain.first(happening);
  }

  // ---- time

  private moveTo(stamp: number): void {
    const { clock, scope } = this;
    const arrival: Arrival = clock.arrive(stamp);
    if (arrival === 'still') return;
    if (arrival === 'first' || arrival === 'leap') {
      if (arrival === 'leap') scope.counts.leapsBack += 1;
      const touched = scope.touched.length > 0;
      if (touched) this.cut();
      clock.jump(stamp);
      this.enterCell();
      if (touched) this.dateDraft();
      return;
    }
    if (arrival === 'hole') scope.counts.holes += 1;
    this.fireUpTo(stamp);
    this.travel(stamp);
  }

  /**
   * Everything due up to `stamp`, in order. A beat's flush only makes its user be written, so its place among
   * equals is of no matter.
   */
  private fireUpTo(stamp: number): void {
    const { clock, scope } = this;
    scope.users.bringDue(clock.leaseAt(stamp), stamp);
    const before = scope.counts.timersFired;
    for (;;) {
      const timer = this.firstTimer();
      const beat = scope.beats.first();
      const timerAt = timer === null ? NEVER : this.stampOf(timer);
      const beatAt = beat === null ? NEVER : clock.stampOf(beat.lease + scope.flush);
      if (timerAt > stamp && beatAt > stamp) return;
      if (beat !== null && beatAt < timerAt) {
        this.travel(beatAt);
        this.happening.clear('beat_due');
        this.happening.user = beat.user;
        this.happening.beat = beat;
        beat.user = null; // No longer first; its user is touched, and so written at the cut.
        this.pass();
      } else if (timer !== null) {
        this.travel(timerAt);
        if (scope.counts.timersFired - before > this.firesMax()) throw neverEnds(timer, timerAt, this.options.topology);
        this.fire(timer);
      }
    }
  }

  /** Far more than can fall due in one step: whoever has a deadline has a handful of them, one after the other. */
  private firesMax(): number {
    const { users, devices, gateways } = this.scope;
    return 1_000 + FIRES_EACH_MAX * (users.known + devices + gateways.size);
  }

  private fire(timer: Timed): void {
    const { happening, scope } = this;
    scope.counts.timersFired += 1;
    (timer instanceof User ? scope.stampTimers : scope.leaseTimers).remove(timer);
    if (timer instanceof User) {
      happening.clear('override_due');
      happening.user = timer;
    } else if (timer instanceof Gateway) {
      happening.clear('gateway_due');
      happening.gateway = timer;
    } else if (timer instanceof Device) {
      happening.clear('device_due');
      happening.device = timer;
    } else if (timer instanceof Ghost) {
      happening.clear('ghost_due');
      happening.ghost = timer;
    }
    this.pass();
  }

  /**
   * Time goes on to `stamp`; the cut that ends the cell comes first, in the cell's last millisecond: what falls due at
   * the very start of the next cell is not in it, and a restore must find it ahead.
   */
  private travel(stamp: number): void {
    const { clock, scope } = this;
    if (stamp >= this.cellEnd) {
      if (scope.touched.length > 0) {
        clock.to(this.cellEnd - 1);
        this.cut();
        this.dateDraft();
      }
      clock.to(stamp);
      this.enterCell();
    } else clock.to(stamp);
  }

  private enterCell(): void {
    const { window, stagger } = this.scope.cells;
    const shift = (this.scope.partition * stagger) % window;
    this.cellEnd = (Math.floor((this.clock.stamp - shift) / window) + 1) * window + shift;
  }

  private firstTimer(): Timed | null {
    const onLease = this.scope.leaseTimers.first();
    const onStamp = this.scope.stampTimers.first();
    if (onLease === null || onStamp === null) return onLease ?? onStamp;
    const difference = this.stampOf(onLease) - this.stampOf(onStamp);
    return difference < 0 || (difference === 0 && compareTimed(onLease, onStamp) < 0) ? onLease : onStamp;
  }

  /** The stamp at which it falls due: an override's end is one, everything else is on the lease clock. */
  private stampOf(timer: Timed): number {
    return timer instanceof User ? timer.deadline() : this.clock.stampOf(timer.deadline());
  }

  // ---- cuts and emissions

  private cut(): void {
    this.scope.counts.cuts += 1;
    this.happening.clear('cut');
    this.pass();
  }

  /** What a cut said. Several cuts before one record make one emission, in which a user's last record counts. */
  private collect(changes: Changes): void {
    const { draft } = this;
    if (draft === null) this.draft = { ...changes, stamp: 0, partition: null };
    else {
      const newest = new Map(draft.states.map((state) => [state.key, state]));
      for (const state of changes.states) newest.set(state.key, state);
      draft.states = [...newest.values()];
      draft.diffs = [...draft.diffs, ...changes.diffs];
    }
  }

  /** The draft holds up to the record under way, at the clocks' present time. */
  private dateDraft(): void {
    if (this.draft === null) return;
    this.draft.stamp = this.clock.stamp;
    this.draft.partition = this.record(this.happening.offset);
  }

  private emit(position: number): PresenceEmission {
    const { draft, scope } = this;
    if (draft === null || draft.partition === null)
      throw new PresenceError('INTERNAL', 'An emission without a cut.', { at: this.options.topology, retriable: false });
    const { stamp, partition } = draft;
    const controls = scope.controls.map((value) => ({ key: value.gateway_id, value }));
    const emission: PresenceEmission = {
      position,
      stamp,
      states: draft.states,
      diffs: draft.diffs,
      partition,
      controls,
    };
    this.draft = null;
    scope.controls = [];
    this.emitted = position;
    this.out.next(emission);
    return emission;
  }

  /** The partition record: everything before `offset`, at the clocks' present time. */
  private record(offset: number): PartitionState {
    const { scope, clock, options } = this;
    const { stamp, lease, settle } = clock;
    const beat = scope.beats.first();
    const gateways: GatewayLease[] = [];
    for (const gateway of scope.gateways.values()) gateways.push(gateway.record());
    return {
      partition: options.partition,
      topology: options.topology,
      epoch: scope.epoch,
      log: 0,
      offset,
      stamp,
      lease,
      settle,
      tail_offset: beat?.offset ?? offset,
      tail_stamp: beat?.stamp ?? stamp,
      tail_lease: beat?.lease ?? lease,
      tail_settle: beat?.settle ?? settle,
      gateways,
      missing: scope.missing,
      repeated: scope.repeated,
    };
  }
}
