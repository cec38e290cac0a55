/**
 * JSON for people who read its diffs: a setting is a line, a store, a timer or a schema's field is a line, and the order is
 * the spec's own. Valid JSON, and the same bytes for the same spec.
 */
import type { TopologySpec } from './spec.ts';

/** Things that are read as one. */
const ONE_LINE: ReadonlySet<string> = new Set(['stores', 'timers', 'fields']);
const WIDTH = 120;

export const json = (spec: TopologySpec): string => print(spec, '', false);

function print(value: unknown, indent: string, brief: boolean): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inside = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    const plain = value.every((one) => typeof one !== 'object' || one === null);
    if (brief || plain)
      return (
        fitting(value, indent) ??
        lines(
          '[]',
          value.map((one) => print(one, inside, brief)),
          indent,
        )
      );
    return lines(
      '[]',
      value.map((one) => print(one, inside, false)),
      indent,
    );
  }
  const entries = Object.entries(value).filter(([, of]) => of !== undefined);
  if (entries.length === 0) return '{}';
  const short = brief ? fitting(value, indent) : null;
  if (short !== null) return short;
  const printed = entries.map(([key, of]) => `${JSON.stringify(key)}: ${print(of, inside, ONE_LINE.has(key))}`);
  return lines('{}', printed, indent);
}

/** On one line, if it is short enough. */
function fitting(value: object, indent: string): string | null {
  const line = oneLine(value);
  return indent.length + line.length <= WIDTH ? line : null;
}

function oneLine(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`;
  const entries = Object.entries(value).map(([key, of]) => `${JSON.stringify(key)}: ${oneLine(of)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

const lines = ([open, close]: string, parts: readonly string[], indent: string): string =>
  `${open}\n${parts.map((part) => `${indent}  ${part}`).join(',\n')}\n${indent}${close}`;
