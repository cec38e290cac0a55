/**
 * One member of a consumer group (Kafka's classic protocol): joins, is assigned, beats, joins again.
 *
 * The protocol as Kafka's "cooperative" consumers use it, so that a rebalance disturbs only what moves. On joining,
 * a member says what it holds and keeps reading it. The leader (one of the members) assigns by `assign`, but holds
 * back what another living member still has; a member that loses something gives it up (`revoke`, awaited) and
 * joins again, and then the partition goes to its new owner. So no two living members ever have the same one.
 *
 * What a member holds is worth something only while it misses no generation: one that comes back later may find its partitions
 * with others, so it first gives up all (`revoke`), then takes what it is assigned as new. The same when it
 * has had no answer to its beats for as long as the coordinator waits for them.
 *
 * A member also says which partitions' images it keeps (`standby`), and is told which to keep; when one that the group awaits has
 * become warm, the member joins again and so gets the partition (assign.ts).
 *
 * Beats go on by themselves, whatever the batches do. Nothing ends a membership but `close`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupOptions, TopicPartition } from '../../ports/log.ts';
import { assign, type GroupMember, isOverdue } from '../assign.ts';
import { AssignerProtocol, type Client, type Connection, sendTo } from './client.ts';
import { typeOf } from './errors.ts';
import { type Broker, type Joined, joinGroup, memberIdOf, syncGroup } from './internals.ts';

const PROTOCOL = 'presence-cooperative';
/** After so long without a beat the coordinator gives a member up, where no other time is asked for. */
export const SESSION_MS = 6_000;
const BEATS_A_SESSION = 6;
const REBALANCE_MS = 10_000;
/** For the leader's assignment: it may have been lost, which the coordinator notices after a session. */
const SYNC_MS = 15_000;
const RETRY_MS = 200;

export interface MembershipOptions {
  readonly options: Pick<GroupOptions, 'group' | 'topics' | 'standby' | 'session_ms'>;
  /** These are no longer ours. Never rejects. */
  readonly revoke: (partitions: readonly TopicPartition[]) => Promise<void>;
  /** The partitions that are ours from this generation on and were not before. */
  readonly take: (partitions: readonly TopicPartition[]) => void;
}

interface Generation {
  /** Whether we were a member of the one before, so that nobody else got what we hold. */
  readonly follows: boolean;
  readonly assigned: readonly TopicPartition[];
  readonly standby: Standby;
}

/** What an assignment says beside the partitions. */
interface Standby {
  readonly standby: readonly number[];
  readonly awaited: readonly number[];
}

interface Claim {
  readonly generation: number;
  readonly held: readonly TopicPartition[];
  /** Partition numbers whose images are kept, each with what it misses; absent where none are. */
  readonly warm?: readonly (readonly [number, number])[];
  /** How many standbys this member wants each partition to have. */
  readonly replicas?: number;
}

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

export class Membership {
  readonly #client: Client;
  readonly #options: MembershipOptions;
  readonly #session_ms: number;
  #awaited: readonly number[] = [];
  /** The beats of the present generation: aborted to join again. */
  #round: AbortController | null = null;
  readonly connection: Connection;
  readonly #closing = new AbortController();
  #memberId = '';
  /** The last one that we joined: its leader knew what we hold. */
  #generation = -1;
  #held: readonly TopicPartition[] = [];
  #answered = performance.now();
  #down = false;
  #joined: () => void = () => {};
  /** Resolves with the first assignment. */
  readonly joined: Promise<void>;
  readonly #done: Promise<void>;

  constructor(client: Client, options: MembershipOptions) {
    this.#client = client;
    this.#options = options;
    this.#session_ms = options.options.session_ms ?? SESSION_MS;
    this.connection = client.open();
    this.joined = new Promise((resolve) => {
      this.#joined = resolve;
    });
    this.#done = this.#run();
  }

  /** For commits; null while we are nobody. */
  get identity(): { readonly memberId: string; readonly generationId: number } | null {
    return this.#generation < 0 ? null : { memberId: this.#memberId, generationId: this.#generation };
  }

  /** If the group waits for this, it is asked to assign anew. */
  warmed(partition: number): void {
    if (this.#awaited.includes(partition)) this.#round?.abort();
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#giveUp(this.#held);
    await this.#leave();
    await this.connection.close();
    await this.#done;
    this.#joined();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const generation = await this.#join();
        if (signal.aborted) return;
        await this.#hold(generation);
        this.#down = false;
      } catch (error) {
        if (!signal.aborted) await this.#failed(error);
      }
    }
  }

  /** Takes what is assigned, and beats until the group changes. */
  async #hold({ follows, assigned, standby }: Generation): Promise<void> {
    if (!follows) await this.#giveUp(this.#held);
    const keeps = new Set(assigned.map(nameOf));
    const had = new Set(this.#held.map(nameOf));
    const lost = this.#held.filter((entry) => !keeps.has(nameOf(entry)));
    const fresh = assigned.filter((entry) => !had.has(nameOf(entry)));
    const round = new AbortController();
    this.#round = round;
    this.#awaited = standby.awaited;
    const beating = this.#beat(AbortSignal.any([this.#closing.signal, round.signal]));
    try {
      this.#held = assigned;
      await this.#giveUp(lost);
      if (this.#closing.signal.aborted) return;
      if (fresh.length > 0) this.#options.take(fresh);
      this.#options.options.standby?.onStandby(
        standby.standby,
        assigned.map(({ partition }) => partition),
      );
      if (isOverdue(standby.awaited, this.#options.options.standby)) round.abort();
      this.#joined();
      // What we gave up goes to its new owner in the next round.
      if (lost.length === 0) await beating;
    } finally {
      round.abort();
      await beating.catch(() => {});
    }
  }

  /** Resolves when it is time to join again; rejects when the membership is lost. */
  async #beat(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#session_ms / BEATS_A_SESSION, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const coordinator = await this.connection.coordinator('group', this.#options.options.group);
        await coordinator.heartbeat({
          groupId: this.#options.options.group,
          groupGenerationId: this.#generation,
          memberId: this.#memberId,
        });
        this.#answered = performance.now();
      } catch (error) {
        if (typeOf(error) === 'REBALANCE_IN_PROGRESS') return;
        if (isLost(error) || this.#expired) throw error;
        this.connection.forget();
      }
    }
  }

  async #join(): Promise<Generation> {
    const { group, topics, standby } = this.#options.options;
    await this.connection.prepare(topics);
    const coordinator = await this.connection.coordinator('group', group);
    const claim: Claim = {
      generation: this.#generation,
      held: this.#held,
      ...(standby === undefined ? {} : { warm: [...standby.warm()], replicas: standby.replicas }),
    };
    const metadata = AssignerProtocol.MemberMetadata.encode({
      version: 1,
      topics: [...topics],
      userData: Buffer.from(JSON.stringify(claim)),
    });
    const joined = await this.#askToJoin(coordinator, metadata);
    const follows = joined.generationId === this.#generation + 1;
    this.#memberId = joined.memberId;
    this.#generation = joined.generationId;
    this.#answered = performance.now();
    const leads = joined.leaderId === joined.memberId;
    const groupAssignment = leads ? await this.#assign(joined.members) : [];
    const { generationId, memberId } = joined;
    const synced = await sendTo(coordinator, syncGroup({ groupId: group, generationId, memberId, groupAssignment }, SYNC_MS));
    const decoded = AssignerProtocol.MemberAssignment.decode(synced.memberAssignment);
    const assigned = Object.entries(decoded?.assignment ?? {}).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    this.#answered = performance.now();
    return { follows, assigned, standby: readJson(decoded?.userData, { standby: [], awaited: [] }) };
  }

  /**
   * A new member is given an id first. It is kept, so that whoever gets no answer in time asks again as the same member: as
   * another, the group would wait for the first, and for one more with each attempt.
   */
  async #askToJoin(coordinator: Broker, metadata: Buffer): Promise<Joined> {
    const ask = (): Promise<Joined> =>
      sendTo(
        coordinator,
        joinGroup({
          groupId: this.#options.options.group,
          memberId: this.#memberId,
          sessionTimeout: this.#session_ms,
          rebalanceTimeout: REBALANCE_MS,
          groupProtocols: [{ name: PROTOCOL, metadata }],
        }),
      );
    return ask().catch((error: unknown) => {
      const given = memberIdOf(error);
      if (given === null) throw error;
      this.#memberId = given;
      return ask();
    });
  }

  /** As the leader: who gets what, without what another living member has still to give up. */
  async #assign(members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[]) {
    const decoded = members.map(({ memberId, memberMetadata }) => {
      const { topics = [], userData } = AssignerProtocol.MemberMetadata.decode(memberMetadata) ?? {};
      return { id: memberId, topics, claim: readJson<Claim>(userData, { generation: -1, held: [] }) };
    });
    const newest = Math.max(...decoded.map(({ claim }) => claim.generation));
    const group = decoded.map(
      ({ id, topics, claim }): GroupMember => ({
        id,
        topics,
        held: claim.generation === newest ? claim.held : [],
        ...(claim.warm === undefined ? {} : { warm: new Map(claim.warm) }),
      }),
    );
    const replicas = Math.max(0, ...decoded.map(({ claim }) => claim.replicas ?? 0));
    const partitions = new Map<string, number>();
    for (const topic of new Set(group.flatMap(({ topics }) => topics)))
      partitions.set(topic, await this.connection.partitionsOf(topic));
    const holders = new Map(group.flatMap(({ id, held }) => held.map((entry) => [nameOf(entry), id] as const)));
    return [...assign(group, partitions, replicas)].map(([memberId, { owned, standby, awaited }]) => {
      const assignment: Record<string, number[]> = {};
      for (const entry of owned) {
        if ((holders.get(nameOf(entry)) ?? memberId) !== memberId) continue;
        assignment[entry.topic] = [...(assignment[entry.topic] ?? []), entry.partition];
      }
      const userData = Buffer.from(JSON.stringify({ standby, awaited } satisfies Standby));
      const memberAssignment = AssignerProtocol.MemberAssignment.encode({ version: 1, assignment, userData });
      return { memberId, memberAssignment };
    });
  }

  get #expired(): boolean {
    return performance.now() - this.#answered > this.#session_ms;
  }

  async #giveUp(partitions: readonly TopicPartition[]): Promise<void> {
    const gone = new Set(partitions.map(nameOf));
    this.#held = this.#held.filter((entry) => !gone.has(nameOf(entry)));
    if (partitions.length > 0) await this.#options.revoke(partitions);
  }

  async #failed(error: unknown): Promise<void> {
    const { group } = this.#options.options;
    if (typeOf(error) === 'REBALANCE_IN_PROGRESS') return;
    if (!this.#down && typeOf(error) === 'INVALID_SESSION_TIMEOUT') {
      const session_ms = this.#session_ms;
      this.#client.logger.error(
        { error, group, session_ms },
        'The broker refuses the session timeout: see its group.min.session.timeout.ms and group.max.session.timeout.ms.',
      );
    } else if (!this.#down) {
      this.#client.logger.warn({ error, group }, 'A consumer is not in its group; it joins again until it is.');
    }
    this.#down = true;
    if (isLost(error)) this.connection.forget();
    else await this.connection.reset();
    if (isLost(error) || this.#expired) {
      // Nobody knows who has them now.
      if (isLost(error)) this.#memberId = '';
      this.#generation = -1;
      await this.#giveUp(this.#held);
    }
    await sleep(RETRY_MS, undefined, { signal: this.#closing.signal }).catch(() => {});
  }

  /** So that the others need not wait for our silence to be noticed. */
  async #leave(): Promise<void> {
    const { group } = this.#options.options;
    if (this.#memberId === '') return;
    // Not by our own connection: it may be waiting in a join.
    await this.#client.shared
      .coordinator('group', group)
      .then((coordinator) => coordinator.leaveGroup({ groupId: group, memberId: this.#memberId }))
      .catch((error) => this.#client.logger.debug({ error, group }, 'A consumer could not say that it leaves.'));
    this.#generation = -1;
  }
}

const isLost = (error: unknown): boolean =>
  ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID', 'MEMBER_ID_REQUIRED'].includes(typeOf(error));

/** What one of us wrote; what somebody else did is taken for nothing. */
function readJson<T>(userData: Buffer | null | undefined, otherwise: T): T {
  try {
    return JSON.parse((userData ?? Buffer.alloc(0)).toString()) as T;
  } catch {
    return otherwise;
  }
}
