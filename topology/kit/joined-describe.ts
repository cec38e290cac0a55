/** Says what a joined topology is, as describe.ts does of others: the same words, and what it has beside them. */

import type { DescribeFormat } from './describe.ts';
import { dot, mermaid } from './describe-drawing.ts';
import { json } from './describe-json.ts';
import { text } from './describe-text.ts';
import type { JoinedSpec } from './joined.ts';
import type { SchemaSpec, TopologySpec } from './spec.ts';

/** A joined topology with the schemas of its topics: what fan-out.spec.json holds. */
export interface JoinedSystemSpec extends JoinedSpec {
  readonly schemas: readonly SchemaSpec[];
}

/** Whether a spec is of a joined topology. */
export const isJoinedSpec = (spec: TopologySpec): spec is JoinedSpec => 'joins' in spec && 'table' in spec;

/** The schemas are left out where the spec has none. */
export function describeJoined(spec: JoinedSpec, format: DescribeFormat = 'text'): string {
  if (format === 'json') return json(spec);
  return format === 'text' ? asText(spec) : laidOver(inputsOf(spec).map((one) => (format === 'dot' ? dot(one) : mermaid(one))));
}

/** Its state is no part of a user's record, and its clock is of the second input. */
function asText(spec: JoinedSpec): string {
  const inputs = [`    joined with ${spec.joins}, partitioned alike`, `    table ${spec.table}, read whole at a takeover`];
  const [head, blank, from, ...rest] = text(spec).split('\n');
  const ofRoutes = rest.map((line) => line.replace(/^ {4}(hole|leap back) /, `    $1 of ${spec.joins} `));
  const stores = ofRoutes.map((line) => line.replace(/ \(part (\S+) of the user's record\)$/, ' ($1, in memory)'));
  return [head, blank, from, ...inputs, ...stores].join('\n');
}

/** One chain for each topic that it reads. */
const inputsOf = (spec: JoinedSpec): readonly TopologySpec[] =>
  [spec.source.topic, spec.joins, spec.table].map((topic) => ({ ...spec, source: { ...spec.source, topic } }));

/** Drawings of one language laid over each other: what is in all of them once, nodes before edges. */
function laidOver(drawings: readonly string[]): string {
  const lines = drawings.map((drawing) => drawing.split('\n'));
  const [first = []] = lines;
  const isEdge = (line: string): boolean => / (-->|-\.-|->) /.test(line);
  const head = first.filter((line) => !line.startsWith('  ') && line !== '}');
  const drawn = [...new Set(lines.flat())].filter((line) => line.startsWith('  '));
  const end = first.filter((line) => line === '}');
  return [...head, ...drawn.filter((line) => !isEdge(line)), ...drawn.filter(isEdge), ...end].join('\n');
}
