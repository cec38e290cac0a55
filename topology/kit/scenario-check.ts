/** A scenario played and compared with what it says must come: line by line, under the step that it came of. */
import { hasCode } from '../../base/errors.ts';
import { type PlayOptions, play, tidy } from './scenario.ts';
import type { Topology } from './topology.ts';

/** A table of the scenario language, with where it stands. */
export interface Table {
  readonly title: string;
  /** The file, and the line of it on which the table begins, from 1. */
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

export interface Outcome {
  readonly table: Table;
  /** What `play` answered; null where a line cannot be read. */
  readonly seen: string | null;
  /** Empty: as written. Else the steps whose answers differ, as lines to print. */
  readonly differences: readonly string[];
}

export function check(topology: Pick<Topology, 'processor'>, table: Table, options: PlayOptions = {}): Outcome {
  try {
    const seen = play(topology, table.text, options);
    return { table, seen, differences: compare(table, seen) };
  } catch (error) {
    if (!hasCode(error, 'BAD_INPUT')) throw error;
    return { table, seen: null, differences: [`  ${table.path}:${table.line}`, `  ${error.message}`] };
  }
}

const isAnswer = (line: string): boolean => /^[=!:]/.test(line);

/** A step, its line in the file, and the answers under it. */
interface Group {
  readonly step: string;
  readonly line: number;
  readonly answers: readonly string[];
}

function groups(text: string, first: number): readonly Group[] {
  const found: { step: string; line: number; answers: string[] }[] = [];
  text.split('\n').forEach((raw, i) => {
    const line = tidy(raw);
    if (line === '') return;
    if (isAnswer(line)) found.at(-1)?.answers.push(line);
    else found.push({ step: line, line: first + i, answers: [] });
  });
  return found;
}

function compare(table: Table, seen: string): readonly string[] {
  const written = groups(table.text, table.line);
  const played = groups(seen, 0);
  return written.flatMap((group, i) => {
    const answers = played[i]?.answers ?? [];
    if (group.answers.join('\n') === answers.join('\n')) return [];
    const lines = difference(group.answers, answers).map((line) => `  ${line}`);
    return [`  ${table.path}:${group.line}`, `    ${group.step}`, ...lines];
  });
}

/** `- ` what was expected and did not come, `+ ` what came and was not, and what is the same; few lines, so the simple way. */
export function difference(expected: readonly string[], seen: readonly string[]): readonly string[] {
  const [e, s] = [expected[0], seen[0]];
  if (e === undefined) return seen.map((line) => `+ ${line}`);
  if (s === undefined) return expected.map((line) => `- ${line}`);
  if (e === s) return [`  ${e}`, ...difference(expected.slice(1), seen.slice(1))];
  const later = seen.indexOf(e);
  if (later > 0) return [`+ ${s}`, ...difference(expected, seen.slice(1))];
  return [`- ${e}`, ...difference(expected.slice(1), seen)];
}

/** The table's text with the seen answers in place of the written ones; steps, comments and blank lines stay as they are. */
export function updated(text: string, seen: string): string {
  const played = groups(seen, 0);
  const lines = text.split('\n');
  const out: string[] = [];
  let step = -1;
  let from = 0;
  const close = (to: number): void => {
    const segment = lines.slice(from, to);
    const answers = segment.map(tidy).filter((line) => line !== '' && isAnswer(line));
    const now = played[step]?.answers ?? [];
    if (step < 0 || answers.join('\n') === now.join('\n')) out.push(...segment);
    else {
      const indent = /^\s*/.exec(segment[0] ?? '')?.[0] ?? '';
      const rest = segment.slice(1).filter((line) => !isAnswer(tidy(line)));
      out.push(segment[0] ?? '', ...now.map((line) => indent + line), ...rest);
    }
    from = to;
  };
  lines.forEach((raw, i) => {
    const line = tidy(raw);
    if (line === '' || isAnswer(line)) return;
    close(i);
    step += 1;
  });
  close(lines.length);
  return out.join('\n');
}
