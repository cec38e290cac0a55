/**
 * A partition's users: all of them known, some of them in memory as objects ("hot").
 *
 * **Model.** Without an image every user is an object. With one (stored.ts) bytes are the state, and an object is made of
 * a record when something happens to its user:
 *
 * - **Found**: `find` takes the object, or decodes the record, makes one and lets the stages work out what the record
 *   does not hold (ranks, links to holders, timers).
 * - **Falling due**: users who are not in memory stand in two wheels (wheel.ts), one a clock. Before time moves, `bringDue`
 *   brings in whoever may fall due on the way; the exact heap does the rest.
 * - **Held by a gateway** that dies or comes back: `bringHeldBy` reads the outlines of all records. Gateways die rarely. What
 *   a gateway holds is counted at the restore, for users in memory or not, and moves with holds and releases from then on.
 * - **Falling out**: between batches a hand goes round the objects, so fast that it comes by once in `idle` of lease clock, and
 *   faster while there are more than `hotUsers`. Who was not needed since it last came by is dropped, if the image says the
 *   same of them: they are not touched (nothing waits for a cut) and no beat is unwritten.
 *
 * A user in the draft of an emission is not in the image yet; nobody falls out while there is one. Nobody falls out either
 * whose bucket in a wheel has come up: they are about to fall due.
 *
 * Limit: `hotUsers`. Touched users and those with unwritten beats stay beyond it; the hand looks at a few objects for each
 * that came into memory, so that it costs no more than they did. Metric: `presence_users_hot_count`.
 *
 * **Delivery and replay.** What is in memory changes nothing in what is emitted: a law (topology/kit/laws.ts).
 */
import { PresenceError } from '../base/errors.ts';
import type { UserState } from '../schemas/generated.ts';
import { UserOutline } from '../schemas/user-outline.ts';
import { User } from './record.ts';
import type { UserImage } from './stored.ts';
import type { Timers } from './timers.ts';
import { SlotWheel } from './wheel.ts';

/** A user of 1.5 devices is 0.9 KB as an object and 200 bytes in the image: a million in 8 partitions fit into 500 MB. */
const HOT_USERS = 5_000;
const IDLE_MS = 60_000;
/** While there are too many, the hand looks at so many objects for each that came, and beside that in each batch. */
const LOOKS_A_COMER = 4;
const LOOKS_A_BATCH = 64;

export interface UserTimers {
  readonly leaseTimers: Timers;
  readonly stampTimers: Timers;
}

export class Users {
  private readonly image: UserImage | null;
  private readonly timers: UserTimers;
  private readonly limit: number;
  private readonly idle: number;
  private readonly objects = new Map<string, User>();
  private readonly leaseWheel = new SlotWheel();
  private readonly stampWheel = new SlotWheel();
  private readonly outline = new UserOutline();
  /** Lets the stages work out what the record does not hold; set by the partition. */
  loaded: (user: User) => void = () => {};
  /** Users known, in memory or not. */
  known = 0;
  private hand: Iterator<User>;
  /** Objects there were when the hand began its round: those that fall out must not slow it down. */
  private round = 0;
  private sweptAt = 0;
  /** Came into memory since the hand last moved. */
  private came = 0;
  /** How far the hand is behind, in objects. */
  private behind = 0;

  constructor(image: UserImage | null, timers: UserTimers) {
    this.image = image;
    this.timers = timers;
    this.limit = image?.hotUsers ?? HOT_USERS;
    this.idle = image?.idle ?? IDLE_MS;
    this.hand = this.objects.values();
  }

  /** In memory. */
  get hot(): number {
    return this.objects.size;
  }

  /** Users who are not in memory and wait for a deadline, about. */
  get waiting(): number {
    return this.leaseWheel.size + this.stampWheel.size;
  }

  /** Those in memory. */
  values(): IterableIterator<User> {
    return this.objects.values();
  }

  /** Only looked at: it brings nobody in, and is no reason to stay. */
  inMemory(key: string): User | null {
    return this.objects.get(key) ?? null;
  }

  find(key: string): User | null {
    const user = this.objects.get(key);
    if (user === undefined) return this.image === null ? null : this.recall(key, this.image);
    user.used = true;
    return user;
  }

  /** A user never heard of. */
  make(key: string): User {
    const user = new User(key);
    this.objects.set(key, user);
    this.came += 1;
    this.known += 1;
    return user;
  }

  // ---- restore

  /** Without an image: a record of the state topic; null: a tombstone. */
  load(key: string, record: UserState | null): void {
    if (record === null) this.objects.delete(key);
    else this.objects.set(key, User.load(record));
    this.known = this.objects.size;
  }

  /** Everything is loaded: tells of each user, in outline; lets the stages work on those in memory. */
  restore(clocks: { readonly stamp: number; readonly lease: number }, count: (outline: UserOutline) => void): void {
    const { image, outline, leaseWheel, stampWheel } = this;
    this.sweptAt = clocks.lease;
    for (const user of this.objects.values()) {
      user.outline(outline);
      count(outline);
      this.loaded(user);
    }
    if (image === null) return;
    leaseWheel.start(clocks.lease);
    stampWheel.start(clocks.stamp);
    image.stored.each((slot) => {
      image.records.outline(image.stored.valueOf(slot), outline);
      count(outline);
      leaseWheel.arm(slot, outline.lease);
      stampWheel.arm(slot, outline.stamp);
    });
    this.known = image.stored.size;
    this.bringDue(clocks.lease, clocks.stamp);
  }

  // ---- into memory

  /** Brings in whoever may fall due while the clocks move to these. */
  bringDue(lease: number, stamp: number): void {
    const { image, leaseWheel, stampWheel, outline } = this;
    if (image === null) return;
    const { stored, records } = image;
    if (leaseWheel.turns(lease))
      leaseWheel.turn(lease, (slot) => {
        records.outline(stored.valueOf(slot), outline);
        if (leaseWheel.isPast(outline.lease)) this.find(stored.keyOf(slot));
        else leaseWheel.arm(slot, outline.lease);
      });
    if (stampWheel.turns(stamp))
      stampWheel.turn(stamp, (slot) => {
        records.outline(stored.valueOf(slot), outline);
        if (stampWheel.isPast(outline.stamp)) this.find(stored.keyOf(slot));
        else stampWheel.arm(slot, outline.stamp);
      });
  }

  /** From when on somebody who is not in memory may fall due, by each clock; Infinity for never. */
  nextDue(): { readonly lease: number; readonly stamp: number } {
    return { lease: this.leaseWheel.next(), stamp: this.stampWheel.next() };
  }

  /** Brings in everyone with a device that this gateway holds. */
  bringHeldBy(gatewayId: string): void {
    const { image, outline } = this;
    if (image === null) return;
    const { stored, records } = image;
    stored.each((slot) => {
      records.outline(stored.valueOf(slot), outline);
      for (let i = 0; i < outline.held; i += 1) {
        if (outline.gateways[i] !== gatewayId) continue;
        this.find(stored.keyOf(slot));
        return;
      }
    });
  }

  private recall(key: string, image: UserImage): User | null {
    const slot = image.stored.find(key);
    if (slot < 0) return null;
    const user = User.load(image.records.decode(image.stored.valueOf(slot)));
    this.objects.set(key, user);
    this.came += 1;
    this.loaded(user);
    return user;
  }

  // ---- out of memory

  /** After a batch, when no emission is being made. */
  sweep(lease: number): void {
    if (this.image === null) return;
    const { size } = this.objects;
    const round = Math.max(this.round, size);
    this.behind = Math.min(round, this.behind + (round * (lease - this.sweptAt)) / this.idle);
    this.sweptAt = lease;
    let looks = Math.floor(this.behind);
    this.behind -= looks;
    for (; looks > 0; looks -= 1) this.lookAtNext(this.image);
    looks = LOOKS_A_BATCH + this.came * LOOKS_A_COMER;
    this.came = 0;
    for (; looks > 0 && this.objects.size > this.limit; looks -= 1) this.lookAtNext(this.image);
  }

  private lookAtNext(image: UserImage): void {
    let next = this.hand.next();
    if (next.done === true) {
      this.hand = this.objects.values();
      this.round = this.objects.size;
      next = this.hand.next();
      if (next.done === true) return;
    }
    const user = next.value;
    if (user.touched || user.beat !== null) return;
    if (user.used) user.used = false;
    else this.drop(user, image);
  }

  private drop(user: User, image: UserImage): void {
    const { leaseWheel, stampWheel, outline, timers } = this;
    const slot = image.stored.find(user.user_id);
    if (slot < 0) this.forget(user);
    else {
      user.outline(outline);
      if (leaseWheel.isPast(outline.lease) || stampWheel.isPast(outline.stamp)) return;
      leaseWheel.arm(slot, outline.lease);
      stampWheel.arm(slot, outline.stamp);
    }
    for (const device of user.devices) timers.leaseTimers.remove(device);
    for (const ghost of user.ghosts ?? []) timers.leaseTimers.remove(ghost);
    timers.stampTimers.remove(user);
    this.objects.delete(user.user_id);
  }

  /** Somebody of whom no record was ever written, since nothing came of what was said. */
  private forget(user: User): void {
    if (user.blank) {
      this.known -= 1;
      return;
    }
    throw new PresenceError('INTERNAL', `The record of ${user.user_id} was emitted, but is not in the image.`, {
      at: 'processors/users.ts',
      retriable: false,
      help: 'Whoever runs the processor puts each emitted record into the image at once (topology/kit/processor.ts).',
    });
  }
}
