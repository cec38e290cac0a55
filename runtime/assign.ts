/**
 * Who of a consumer group's members gets which partitions, and who stands by for which; the same for both logs.
 *
 * The unit is the partition number, not the partition: number i of every subscribed topic goes to the
 * same member, so that topics partitioned alike (signals, state, diffs) stay together. Numbers are spread
 * evenly (by one at most), and a member keeps those it had where the spread allows: every move costs a
 * restore of the partition's state.
 *
 * **What must move goes to where it is warm.** A member that keeps images of partitions (standby.ts) says which, and how much
 * each misses. A number without an owner goes to the one whose image misses least, as far as the spread allows. A number that is
 * to move from one living member to another for the sake of the spread stays where it is until the other has it warm: it is
 * assigned there as a standby first, and *awaited*.
 *
 * **Standbys** are spread evenly too, never on the owner, and stay where there is an image already.
 */
import type { GroupStandby, TopicPartition } from '../ports/log.ts';

export interface GroupMember {
  /** Unique in the group. */
  readonly id: string;
  readonly topics: readonly string[];
  /** What it holds now. */
  readonly held: readonly TopicPartition[];
  /** The numbers that it has an image of, with what each misses (offsets); absent: it keeps none, and is given none. */
  readonly warm?: ReadonlyMap<number, number>;
}

export interface Assigned {
  readonly owned: readonly TopicPartition[];
  /** The numbers to keep an image of. */
  readonly standby: readonly number[];
  /** Of these, the ones that are to be its own once warm. */
  readonly awaited: readonly number[];
}

/** An image that misses less is warm: to read it takes a fraction of a second. */
export const WARM_RECORDS = 10_000;

export const isWarm = ({ warm }: Pick<GroupMember, 'warm'>, number: number): boolean =>
  (warm?.get(number) ?? Number.POSITIVE_INFINITY) < WARM_RECORDS;

/**
 * Whether something that an assignment awaits of a member has become warm since the member was asked: nobody says so again, so
 * the group is to assign anew.
 */
export const isOverdue = (awaited: readonly number[], standby: Pick<GroupStandby, 'warm'> | undefined): boolean =>
  standby !== undefined && awaited.length > 0 && awaited.some((number) => isWarm({ warm: standby.warm() }, number));

/**
 * @param members in any order
 * @param partitions the number of partitions of each topic; topics missing here are assigned to nobody
 * @param replicas standbys of each number, as far as there are members
 * @returns what each member gets, by its id; members with nothing have empty lists
 */
export function assign(
  members: readonly GroupMember[],
  partitions: ReadonlyMap<string, number>,
  replicas = 0,
): Map<string, Assigned> {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  const owned = new Map(sorted.map(({ id }) => [id, [] as TopicPartition[]]));
  if (sorted.length === 0) return new Map();
  const count = Math.max(0, ...partitions.values());
  const { owners, awaited } = holdBack(sorted, spread(sorted, count));
  for (const [topic, of] of [...partitions].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const subscribers = sorted.filter((member) => member.topics.includes(topic));
    if (subscribers.length === 0) continue;
    for (let partition = 0; partition < of; partition += 1) {
      // Members subscribe alike but while a new version is rolled out; then a topic has fewer to go to.
      const owner = subscribers.find((member) => member.id === owners[partition]) ?? subscribers[partition % subscribers.length];
      if (owner !== undefined) owned.get(owner.id)?.push({ topic, partition });
    }
  }
  const standbys = standBy(sorted, { owners, awaited, replicas });
  return new Map(
    sorted.map(({ id }) => [
      id,
      {
        owned: owned.get(id) ?? [],
        standby: standbys.get(id) ?? [],
        awaited: [...awaited].filter(([, to]) => to === id).map(([number]) => number),
      },
    ]),
  );
}

const numbersOf = (member: GroupMember): number[] =>
  [...new Set(member.held.map(({ partition }) => partition))].sort((a, b) => a - b);

/** The owner of each partition number, were all warm. */
function spread(members: readonly GroupMember[], count: number): string[] {
  const owners: (string | undefined)[] = new Array(count).fill(undefined);
  const load = new Map(members.map((member) => [member.id, 0]));
  const least = Math.floor(count / members.length);
  let withOneMore = count % members.length;
  const give = (member: GroupMember, number: number): boolean => {
    const has = load.get(member.id) ?? 0;
    if (number >= count || owners[number] !== undefined || has > least || (has === least && withOneMore === 0)) return false;
    if (has === least) withOneMore -= 1;
    owners[number] = member.id;
    load.set(member.id, has + 1);
    return true;
  };
  for (const member of members) {
    // What others have warm is given up first, where something must be.
    const elsewhere = (number: number): number => (members.some((other) => other !== member && isWarm(other, number)) ? 1 : 0);
    for (const number of numbersOf(member).sort((a, b) => elsewhere(a) - elsewhere(b) || a - b)) give(member, number);
  }
  for (let number = 0; number < count; number += 1) {
    if (owners[number] !== undefined) continue;
    const misses = (member: GroupMember): number => member.warm?.get(number) ?? Number.POSITIVE_INFINITY;
    const having = members.filter((member) => misses(member) < Number.POSITIVE_INFINITY);
    for (const member of having.sort((a, b) => misses(a) - misses(b))) if (give(member, number)) break;
  }
  return owners.map((owner, number) => {
    if (owner !== undefined) return owner;
    let best = members[0] as GroupMember;
    for (const member of members) if ((load.get(member.id) ?? 0) < (load.get(best.id) ?? 0)) best = member;
    give(best, number);
    return best.id;
  });
}

/** Leaves with its owner what somebody else is to have but has not warm. */
function holdBack(members: readonly GroupMember[], owners: readonly string[]) {
  const awaited = new Map<number, string>();
  const holders = new Map<number, string>();
  for (const member of members) for (const number of numbersOf(member)) holders.set(number, member.id);
  const stay = owners.map((owner, number) => {
    const holder = holders.get(number);
    const target = members.find(({ id }) => id === owner);
    if (holder === undefined || holder === owner || target?.warm === undefined || isWarm(target, number)) return owner;
    awaited.set(number, owner);
    return holder;
  });
  return { owners: stay, awaited };
}

function standBy(
  members: readonly GroupMember[],
  plan: { readonly owners: readonly string[]; readonly awaited: ReadonlyMap<number, string>; readonly replicas: number },
): Map<string, number[]> {
  const { owners, awaited, replicas } = plan;
  const keepers = members.filter(({ warm }) => warm !== undefined);
  const result = new Map(keepers.map(({ id }) => [id, [] as number[]]));
  const loadOf = ({ id }: GroupMember): number => result.get(id)?.length ?? 0;
  const most = Math.ceil((replicas * owners.length) / Math.max(1, keepers.length));
  const lacking = owners.map((owner, number) => {
    const awaiting = awaited.get(number);
    if (awaiting !== undefined) result.get(awaiting)?.push(number);
    const possible = keepers.filter(({ id }) => id !== owner && id !== awaiting);
    let wanted = Math.min(Math.max(0, replicas - (awaiting === undefined ? 0 : 1)), possible.length);
    for (const member of possible) {
      if (wanted === 0 || !(member.warm?.has(number) ?? false) || loadOf(member) >= most) continue;
      result.get(member.id)?.push(number);
      wanted -= 1;
    }
    return { number, wanted, possible };
  });
  for (const { number, wanted, possible } of lacking) {
    const free = possible.filter(({ id }) => !(result.get(id)?.includes(number) ?? false)).sort((a, b) => loadOf(a) - loadOf(b));
    for (const member of free.slice(0, wanted)) result.get(member.id)?.push(number);
  }
  for (const numbers of result.values()) numbers.sort((a, b) => a - b);
  return result;
}
