/** Says what a topology is: as text, as JSON, as a drawing for Mermaid or Graphviz. All from its spec. */
import { dot, mermaid } from './describe-drawing.ts';
import { json } from './describe-json.ts';
import { text } from './describe-text.ts';
import type { TopologySpec } from './spec.ts';

const formats = { text, json, mermaid, dot } as const;

export type DescribeFormat = keyof typeof formats;

/** The schemas are left out where the spec has none. */
export const describe = (spec: TopologySpec, format: DescribeFormat = 'text'): string => formats[format](spec);
