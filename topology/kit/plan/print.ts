/** A plan as a terminal shows it: the worst first. */
import type { Plan } from '../plan.ts';
import type { Change, Verdict } from './change.ts';

const words: Readonly<Record<Verdict, string>> = {
  compatible: 'compatible',
  migration: 'needs migration',
  rebuild: 'needs rebuild',
};

export function printPlan(plan: Plan): string {
  const { before, after, verdict, changes, sameDiffs, notes } = plan;
  if (changes.length === 0) return [`${before} -> ${after}: no change.`, ...notes].join('\n');
  const sorted = (['rebuild', 'migration', 'compatible'] as const).flatMap((one) =>
    changes.filter((change) => change.verdict === one),
  );
  return [
    `${before} -> ${after}: ${words[verdict]}`,
    ...sorted.map((change) => `\n${printChange(change)}`),
    '',
    `Stores touched: ${plan.stores.join(', ') || 'none'}.`,
    `Topics touched: ${plan.topics.join(', ') || 'none'}.`,
    sameDiffs
      ? 'The same signals give the same diffs before and after the edit.'
      : 'The same signals give other diffs after the edit than before: a replay of what came before it does not agree.',
    ...notes,
  ].join('\n');
}

function printChange({ verdict, at, before, after, reason, steps }: Change): string {
  const what = before === null ? `added: ${after}` : after === null ? `removed: ${before}` : `${before} -> ${after}`;
  return [
    `${words[verdict]}: ${at}`,
    ...wrapped(what, '  '),
    ...wrapped(reason, '  '),
    ...steps.flatMap((step, i) => wrapped(`${i + 1}. ${step}`, '  ')),
  ].join('\n');
}

const WIDTH = 100;

function wrapped(text: string, indent: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= WIDTH) lines.push(indent + word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
