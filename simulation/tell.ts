/** A story and its end in words. */
import { type Broken, invariants } from './invariants.ts';
import type { Act, ClientStory, Story } from './story.ts';
import type { Fault } from './story-faults.ts';

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

export function storyInWords(story: Story, broken: Broken): string {
  const { clients, faults, gateways, instances, partitions } = story;
  const counted = `${clients.length} clients, ${gateways} gateways, ${instances} instances, ${partitions} partitions`;
  const happens = [
    ...clients.flatMap((client) => [
      { at: client.comes_ms, what: `${nameOf(client)} comes (${pathOf(client)})` },
      ...actsOf(client),
    ]),
    ...faults.map((fault) => ({ at: fault.at, what: faultInWords(fault) })),
  ].sort((a, b) => a.at - b.at);
  const lines = happens.map(({ at, what }) => `  ${seconds(at).padStart(9)}  ${what}`);
  return [
    `Seed ${story.seed}: ${counted}.`,
    ...lines,
    `  ${seconds(broken.at).padStart(9)}  BROKEN ${broken.invariant}: ${broken.detail}`,
    `  (${invariants[broken.invariant]})`,
  ].join('\n');
}

const nameOf = ({ kind, user, device }: ClientStory): string => `${user}'s ${device} (${kind})`;

const pathOf = ({ path }: ClientStory): string =>
  `round trip ${Math.round(path.latency_ms * 2)} ms, loss ${(path.loss * 100).toFixed(1)}%`;

const actsOf = (client: ClientStory): { readonly at: number; readonly what: string }[] =>
  client.acts.map((act) => ({ at: act.at, what: `${client.device} ${actInWords(act)}` }));

function actInWords(act: Act): string {
  const lasts = 'for_ms' in act ? ` for ${seconds(act.for_ms)}` : '';
  if (act.act === 'leaves') return `leaves (${act.how})${lasts}${act.fresh ? ', then in a new session' : ''}`;
  if (act.act === 'says') return `says ${act.state}`;
  return `${act.act}${lasts}`;
}

function faultInWords(fault: Fault): string {
  const lasts = 'for_ms' in fault ? ` for ${seconds(fault.for_ms)}` : '';
  const which = 'gateway' in fault ? ` (gateway-${fault.gateway})` : 'instance' in fault ? ` (topology-${fault.instance})` : '';
  const how = 'how' in fault ? ` by ${fault.how}` : 'share' in fault ? ` (${fault.share * 100}%)` : '';
  return `${fault.fault}${which}${how}${'by_ms' in fault ? ` by ${seconds(fault.by_ms)}` : lasts}`;
}
