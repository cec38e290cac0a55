/** Faults as a terminal shows them, and where in the sources what they speak of is declared. */
import type { Fault } from '../lint.ts';

/** A file of the author's: its path and its text. */
export interface SourceText {
  readonly path: string;
  readonly text: string;
}

export interface Sources {
  readonly topology: SourceText;
  readonly topics: SourceText;
  /** Where topics get their names. */
  readonly topicNames: SourceText;
}

const quoted = (name: string): string => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** `file:line`, found in the text: by the call or setting that bears the name; the last one, where it was given twice. */
export function locate(at: string, sources: Sources): string | null {
  const { topology, topics, topicNames } = sources;
  const topic = /^topics\.(.+)$/.exec(at)?.[1];
  if (topic !== undefined) {
    const key = new RegExp(`(\\w+): '${quoted(topic)}'`).exec(topicNames.text)?.[1];
    return key === undefined ? null : lastLine(topics, `topicNames\\.${key}\\b`);
  }
  const name = quoted(at.slice(at.indexOf('.') + 1));
  return lastLine(topology, `\\(\\s*'${name}',`) ?? lastLine(topology, `name: '${name}'`);
}

function lastLine({ path, text }: SourceText, pattern: string): string | null {
  const last = [...text.matchAll(new RegExp(pattern, 'g'))].at(-1);
  if (last === undefined) return null;
  const line = text.slice(0, last.index + last[0].length).split('\n').length;
  return `${path}:${line}`;
}

/** Three lines: the place, what is wrong, what to do. */
export function printFault({ level, rule, at, message, fix }: Fault, where: string | null = null): string {
  const place = where === null ? at : `${at} (${where})`;
  return `${level} ${place} [${rule}]\n  ${message}\n  ${fix}`;
}
