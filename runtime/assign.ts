/**
 * Who of a consumer group's members gets which partitions; the same for both logs.
 *
 * The unit is the partition number, not the partition: number i of every subscribed topic goes to the
 * same member, so that topics partitioned alike (signals, state, diffs) stay together. Numbers are spread
 * evenly (by one at most), and a member keeps those it had where the spread allows: every move costs a
 * restore of the partition's state.
 */
import type { TopicPartition } from '../ports/log.ts';

export interface GroupMember {
  /** Unique in the group. */
  readonly id: string;
  readonly topics: readonly string[];
  /** What it holds now. */
  readonly held: readonly TopicPartition[];
}

/**
 * @param members in any order
 * @param partitions the number of partitions of each topic; topics missing here are assigned to nobody
 * @returns what each member gets, by its id; members with nothing have an empty list
 */
export function assign(members: readonly GroupMember[], partitions: ReadonlyMap<string, number>): Map<string, TopicPartition[]> {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  const result = new Map(sorted.map((member) => [member.id, [] as TopicPartition[]]));
  if (sorted.length === 0) return result;
  const owners = spread(sorted, Math.max(0, ...partitions.values()));
  for (const [topic, count] of [...partitions].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const subscribers = sorted.filter((member) => member.topics.includes(topic));
    if (subscribers.length === 0) continue;
    for (let partition = 0; partition < count; partition += 1) {
      // Members subscribe alike but while a new version is rolled out; then a topic has fewer to go to.
      const owner = subscribers.find((member) => member.id === owners[partition]) ?? subscribers[partition % subscribers.length];
      if (owner !== undefined) result.get(owner.id)?.push({ topic, partition });
    }
  }
  return result;
}

/** The owner of each partition number. */
function spread(members: readonly GroupMember[], count: number): string[] {
  const owners: (string | undefined)[] = new Array(count).fill(undefined);
  const load = new Map(members.map((member) => [member.id, 0]));
  const least = Math.floor(count / members.length);
  let withOneMore = count % members.length;
  for (const member of members) {
    for (const partition of [...new Set(member.held.map((held) => held.partition))].sort((a, b) => a - b)) {
      const has = load.get(member.id) ?? 0;
      if (partition >= count || owners[partition] !== undefined || has > least || (has === least && withOneMore === 0)) continue;
      if (has === least) withOneMore -= 1;
      owners[partition] = member.id;
      load.set(member.id, has + 1);
    }
  }
  return owners.map((owner) => {
    if (owner !== undefined) return owner;
    let best = members[0] as GroupMember;
    for (const member of members) if ((load.get(member.id) ?? 0) < (load.get(best.id) ?? 0)) best = member;
    load.set(best.id, (load.get(best.id) ?? 0) + 1);
    return best.id;
  });
}
