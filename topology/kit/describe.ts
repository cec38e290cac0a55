/** Says what a topology is: as text, as JSON, as a Mermaid drawing. All from its spec. */

import type { SpecValue, StageSpec, TimerSpec } from '../../processors/stage.ts';
import { printMillis } from '../../processors/time.ts';
import type { TopologySpec } from './topology.ts';

export type DescribeFormat = 'text' | 'json' | 'mermaid';

export function describe(spec: TopologySpec, format: DescribeFormat = 'text'): string {
  if (format === 'json') return JSON.stringify(spec, null, 2);
  return format === 'mermaid' ? mermaid(spec) : text(spec);
}

function setting(key: string, value: SpecValue): string {
  if (typeof value === 'number' && key.endsWith('_ms')) return `${key.slice(0, -3)} ${printMillis(value)}`;
  return `${key} ${Array.isArray(value) ? value.join(' > ') : String(value)}`;
}

const length = ({ after_ms }: TimerSpec): string => (after_ms === null ? 'as the record says' : printMillis(after_ms));

const settings = (stage: StageSpec): readonly string[] => Object.entries(stage.config).map(([key, value]) => setting(key, value));

function text(spec: TopologySpec): string {
  const { source } = spec;
  const clock = source.clock === null ? 'any stamps' : `holes over ${printMillis(source.clock.hole_ms)}`;
  const lines = [`${spec.name}@${spec.version}`, `  from ${source.topic} by ${source.key} (${source.name}; ${clock})`];
  for (const stage of spec.stages) {
    lines.push(`  ${stage.name}: ${stage.kind}`);
    for (const one of settings(stage)) lines.push(`      ${one}`);
    for (const store of stage.stores) lines.push(`      store ${store.name} (${store.part})`);
    for (const timer of stage.timers) lines.push(`      timer ${timer.name} (${length(timer)}, ${timer.clock} clock)`);
  }
  for (const sink of spec.sinks)
    lines.push(`  to ${sink.kind} ${sink.target} (${sink.name}; idempotent by ${sink.idempotentBy})`);
  return lines.join('\n');
}

function mermaid(spec: TopologySpec): string {
  const lines = ['flowchart LR', `  ${spec.source.name}([${spec.source.topic}])`];
  let before = spec.source.name;
  for (const stage of spec.stages) {
    lines.push(`  ${before} --> ${stage.name}["${stage.kind}<br/>${stage.name}"]`);
    for (const store of stage.stores) lines.push(`  ${stage.name} -.- ${store.name}[(${store.name})]`);
    before = stage.name;
  }
  for (const sink of spec.sinks) lines.push(`  ${before} --> to-${sink.name}{{"${sink.kind}: ${sink.target}"}}`);
  return lines.join('\n');
}
