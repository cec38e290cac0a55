/** A topology to be read in a terminal. */
import type { SpecValue, StageSpec, TimerSpec } from '../../processors/stage.ts';
import { printMillis } from '../../processors/time.ts';
import type { SystemSpec, TopicSpec, TopologySpec } from './spec.ts';

export function text(spec: TopologySpec): string {
  const { source, stages, sinks, topics } = spec;
  const { schemas = [] } = spec as Partial<SystemSpec>;
  return [
    `${spec.name}@${spec.version}`,
    '',
    `from ${source.topic} by ${source.key} (${source.name})`,
    ...clock(source.clock),
    ...stages.flatMap((stage) => ['', ...stageLines(stage)]),
    '',
    ...sinks.map((sink) => {
      const what = sink.writes === null ? `reads ${sink.reads.join(', ')}` : `writes ${sink.writes}`;
      return `to ${sink.kind} ${sink.target} (${sink.name}; ${what}; idempotent by ${sink.idempotentBy})`;
    }),
    '',
    'topics',
    ...table(topics.map(topicRow)),
    ...(schemas.length === 0 ? [] : ['', 'schemas']),
    ...table(schemas.map(({ name, subject, fingerprint }) => [name, subject, fingerprint])),
  ].join('\n');
}

const clock = (of: TopologySpec['source']['clock']): readonly string[] =>
  of === null
    ? ['    clock of another log: any stamps']
    : [
        `    hole over ${printMillis(of.hole_ms)}, then ${printMillis(of.settle_ms)} to settle`,
        `    leap back over ${printMillis(of.leap_ms)}`,
      ];

const length = ({ after_ms }: TimerSpec): string => (after_ms === null ? 'as the record says' : printMillis(after_ms));

const stageLines = (stage: StageSpec): readonly string[] => [
  `${stage.name}: ${stage.kind}`,
  ...Object.entries(stage.config).map(([key, value]) => `    ${setting(key, value)}`),
  ...stage.stores.map((store) => `    store ${store.name} (part ${store.part} of the user's record)`),
  ...stage.timers.map((timer) => `    timer ${timer.name} (${length(timer)}, ${timer.clock} clock)`),
];

/** A setting as its author says it: `lease 3 s`, `sources manual > app > inferred`. */
export function setting(key: string, value: SpecValue): string {
  if (typeof value === 'number' && key.endsWith('_ms')) return `${key.slice(0, -3)} ${printMillis(value)}`;
  return `${key} ${Array.isArray(value) ? value.join(' > ') : String(value)}`;
}

export const kept = ({ cleanup, retention_ms }: Pick<TopicSpec, 'cleanup' | 'retention_ms'>): string =>
  cleanup === 'compact' ? 'compacted' : `deleted after ${retention_ms === null ? 'ever' : printMillis(retention_ms)}`;

export const counted = (partitions: number): string => `${partitions} partition${partitions === 1 ? '' : 's'}`;

const topicRow = (topic: TopicSpec): readonly string[] => [
  topic.name,
  topic.key === null ? 'its own keys' : `by ${topic.key}`,
  counted(topic.partitions),
  kept(topic),
  topic.schemas.join(', ') || 'no schema of its own',
];

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => `    ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}
