/**
 * A topology as a graph, and the graph in the languages of Mermaid and Graphviz. Topics are drawn with what is kept of them,
 * stages with their timers, stores beside their stages; sinks that read a topic come after it.
 */
import { printMillis } from '../../processors/time.ts';
import { counted, kept } from './describe-text.ts';
import type { TopologySpec } from './spec.ts';

type Kind = 'topic' | 'stage' | 'store' | 'sink';

interface Node {
  readonly kind: Kind;
  readonly name: string;
  readonly lines: readonly string[];
}

interface Edge {
  readonly from: Node;
  readonly to: Node;
  /** A stage and its store: no records flow. */
  readonly beside: boolean;
}

interface Graph {
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
}

function graphOf(spec: TopologySpec): Graph {
  const nodes = new Map<string, Node>();
  const edges: Edge[] = [];
  const node = (kind: Kind, name: string, ...more: readonly string[]): Node => {
    const known = nodes.get(`${kind} ${name}`);
    if (known !== undefined) return known;
    const made = { kind, name, lines: [name, ...more] };
    nodes.set(`${kind} ${name}`, made);
    return made;
  };
  const topic = (name: string): Node => {
    const topicSpec = spec.topics.find((one) => one.name === name);
    return topicSpec === undefined
      ? node('topic', name)
      : node('topic', name, `${counted(topicSpec.partitions)}, ${kept(topicSpec)}`);
  };
  let before = topic(spec.source.topic);
  for (const { name, kind, stores, timers } of spec.stages) {
    const lengths = timers.map(
      (timer) => `${timer.name}: ${timer.after_ms === null ? 'by record' : printMillis(timer.after_ms)}`,
    );
    const stage = node('stage', name, kind, ...lengths);
    edges.push({ from: before, to: stage, beside: false });
    for (const store of stores) edges.push({ from: stage, to: node('store', store.name, store.part), beside: true });
    before = stage;
  }
  for (const { kind, name, target, writes, reads } of spec.sinks) {
    if (writes !== null) edges.push({ from: before, to: topic(target), beside: false });
    else for (const read of reads) edges.push({ from: topic(read), to: node('sink', name, kind, target), beside: false });
  }
  return { nodes: [...nodes.values()], edges };
}

/** A word of both languages; with the kind in front, so that no name is a keyword (`end`) or begins with a digit. */
const id = ({ kind, name }: Node): string => `${kind}_${name.replace(/[^A-Za-z0-9]/g, '_')}`;

const mermaidShapes: Readonly<Record<Kind, readonly [string, string]>> = {
  topic: ['([', '])'],
  stage: ['[', ']'],
  store: ['[(', ')]'],
  sink: ['{{', '}}'],
};

export function mermaid(spec: TopologySpec): string {
  const { nodes, edges } = graphOf(spec);
  const label = (lines: readonly string[]): string => lines.map((line) => line.replaceAll('"', '#quot;')).join('<br/>');
  return [
    'flowchart LR',
    ...nodes.map((node) => `  ${id(node)}${mermaidShapes[node.kind].join(`"${label(node.lines)}"`)}`),
    ...edges.map(({ from, to, beside }) => `  ${id(from)} ${beside ? '-.-' : '-->'} ${id(to)}`),
  ].join('\n');
}

const dotShapes: Readonly<Record<Kind, string>> = { topic: 'cds', stage: 'box', store: 'cylinder', sink: 'hexagon' };

export function dot(spec: TopologySpec): string {
  const { nodes, edges } = graphOf(spec);
  const quoted = (word: string): string => `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const label = (lines: readonly string[]): string => `"${lines.map((line) => quoted(line).slice(1, -1)).join('\\n')}"`;
  return [
    `digraph ${quoted(spec.name)} {`,
    '  rankdir=LR;',
    ...nodes.map((node) => `  ${id(node)} [shape=${dotShapes[node.kind]}, label=${label(node.lines)}];`),
    ...edges.map(({ from, to, beside }) => `  ${id(from)} -> ${id(to)}${beside ? ' [style=dotted, arrowhead=none]' : ''};`),
    '}',
  ].join('\n');
}
