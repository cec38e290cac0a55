/** Figures of many worlds: added up, and as a table. */
import { type Figures, type Gone, goneReasons, type Spread } from './figures.ts';

/** What one world left, as it goes from a worker to the campaign, and into its file. */
export type FiguresJson = ReturnType<typeof figuresToJson>;

export const figuresToJson = (figures: Figures) => ({
  sessions_ms: figures.sessions_ms,
  wrong_ms: { ...figures.wrong_ms },
  wrongs: { ...figures.wrongs },
  missing: { ...figures.missing },
  flashes: { ...figures.flashes },
  unsaid: { ...figures.unsaid },
  wrongBy: { ...figures.wrongBy },
  detection: Object.fromEntries(goneReasons.map((why) => [why, figures.detection[why].toJSON()])) as Record<
    Gone,
    ReturnType<Spread['toJSON']>
  >,
  detectionDisturbed: figures.detectionDisturbed.toJSON(),
  freshness: figures.freshness.toJSON(),
  freshnessDisturbed: figures.freshnessDisturbed.toJSON(),
});

export function addFigures(sum: Figures, more: FiguresJson): void {
  sum.sessions_ms += more.sessions_ms;
  for (const name of ['wrong_ms', 'wrongs', 'missing', 'flashes', 'unsaid'] as const) {
    sum[name].add(more[name].calm, false);
    sum[name].add(more[name].disturbed, true);
  }
  for (const [cause, count] of Object.entries(more.wrongBy)) sum.wrongBy[cause] = (sum.wrongBy[cause] ?? 0) + count;
  for (const why of goneReasons) sum.detection[why].merge(more.detection[why]);
  sum.detectionDisturbed.merge(more.detectionDisturbed);
  sum.freshness.merge(more.freshness);
  sum.freshnessDisturbed.merge(more.freshnessDisturbed);
}

const percent = (share: number): string => `${(share * 100).toFixed(4)}%`;
const cell = (ms: number | null): string => (ms === null ? '-' : `${Math.round(ms)}`);

function row(name: string, spread: Spread): string {
  const max = spread.count === 0 ? null : spread.max;
  return `| ${[name, spread.count, ...[spread.quantile(0.5), spread.quantile(0.99), max].map(cell)].join(' | ')} |`;
}

/** In Markdown. */
export function reportOf(figures: Figures): string {
  const { sessions_ms, wrong_ms, wrongs, missing, flashes, unsaid, detection } = figures;
  return [
    `Session-minutes: ${Math.round(sessions_ms / 60_000)}`,
    `False offline: ${percent(wrong_ms.calm / sessions_ms)} of session time` +
      ` (${wrongs.calm} times, ${(wrong_ms.calm / 1_000).toFixed(1)} s)` +
      ` with the servers well; ${wrongs.disturbed} times more, ${(wrong_ms.disturbed / 1_000).toFixed(1)} s, while they were not`,
    `Missed offline: ${missing.calm} with the servers well, ${missing.disturbed} while they were not`,
    `Said to be back though gone: ${flashes.calm} and ${flashes.disturbed}`,
    `Came and went before it was said: ${unsaid.calm} and ${unsaid.disturbed}`,
    '',
    '| ms | measured | p50 | p99 | max |',
    '| --- | --- | --- | --- | --- |',
    row('offline after a clean close', detection.clean),
    row('offline of a silent client', detection.silent),
    row('offline after a dead gateway', detection.gateway),
    row('offline after the end of a ttl', detection.ttl),
    row('offline, servers disturbed', figures.detectionDisturbed),
    row('online', figures.freshness),
    row('online, servers disturbed', figures.freshnessDisturbed),
  ].join('\n');
}
