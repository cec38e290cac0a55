/** Figures of many worlds: added up, and as tables in Markdown. */
import { type Detection, type Figures, type Gone, goneReasons, Spread } from './figures.ts';

/** What one world left, as it goes from a worker to the campaign, and into its file. */
export type FiguresJson = ReturnType<typeof figuresToJson>;

const detectionToJson = (detection: Detection) =>
  Object.fromEntries(goneReasons.map((why) => [why, detection[why].toJSON()])) as Record<Gone, ReturnType<Spread['toJSON']>>;

export const figuresToJson = (figures: Figures) => ({
  sessions_ms: figures.sessions_ms,
  wrong_ms: { ...figures.wrong_ms },
  wrongs: { ...figures.wrongs },
  missing: { ...figures.missing },
  flashes: { ...figures.flashes },
  unsaid: { ...figures.unsaid },
  wrongBy: { ...figures.wrongBy },
  detection: detectionToJson(figures.detection),
  detectionDisturbed: detectionToJson(figures.detectionDisturbed),
  freshness: figures.freshness.toJSON(),
  freshnessDisturbed: figures.freshnessDisturbed.toJSON(),
  byLoss: [...figures.byLoss].map(([loss, { sessions_ms, wrong_ms, wrongs, detection }]) => {
    return { loss, sessions_ms, wrong_ms, wrongs, detection: detectionToJson(detection) };
  }),
});

export function addFigures(sum: Figures, more: FiguresJson): void {
  sum.sessions_ms += more.sessions_ms;
  for (const name of ['wrong_ms', 'wrongs', 'missing', 'flashes', 'unsaid'] as const) {
    sum[name].add(more[name].calm, false);
    sum[name].add(more[name].disturbed, true);
  }
  for (const [cause, count] of Object.entries(more.wrongBy)) sum.wrongBy[cause] = (sum.wrongBy[cause] ?? 0) + count;
  for (const why of goneReasons) {
    sum.detection[why].merge(more.detection[why]);
    sum.detectionDisturbed[why].merge(more.detectionDisturbed[why]);
  }
  sum.freshness.merge(more.freshness);
  sum.freshnessDisturbed.merge(more.freshnessDisturbed);
  for (const { loss, sessions_ms, wrong_ms, wrongs, detection } of more.byLoss) {
    const figures = sum.ofLoss(loss);
    figures.sessions_ms += sessions_ms;
    figures.wrong_ms += wrong_ms;
    figures.wrongs += wrongs;
    for (const why of goneReasons) figures.detection[why].merge(detection[why]);
  }
}

const whole = (count: number): string => Math.round(count).toLocaleString('en-US');
const percent = (share: number): string => `${((Number.isFinite(share) ? share : 0) * 100).toFixed(4)}%`;
const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const head = (...cells: readonly string[]): readonly string[] => [row(...cells), row(...cells.map(() => '---'))];

/** `p50 / p99 / max (measured)`. */
function cell(...spreads: readonly Spread[]): string {
  const all = new Spread();
  for (const spread of spreads) all.merge(spread);
  if (all.count === 0) return '-';
  return `${[all.quantile(0.5) ?? 0, all.quantile(0.99) ?? 0, all.max].map(whole).join(' / ')} (${whole(all.count)})`;
}

const names: Readonly<Record<Gone, string>> = {
  clean: 'offline after a clean close',
  silent: 'offline of a silent client',
  gateway: 'offline after a dead gateway',
  ttl: 'offline after the end of a ttl',
};

/** In Markdown. `well`: while nothing was wrong with the servers, nor had been shortly before. */
export function reportOf(figures: Figures): string {
  const { sessions_ms, wrong_ms, wrongs, missing, flashes, unsaid } = figures;
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  const all = { wrongs: wrongs.calm + wrongs.disturbed, wrong_ms: wrong_ms.calm + wrong_ms.disturbed };
  const offline = (ms: number, times: number): string => `${percent(ms / sessions_ms)} (${whole(times)} times, ${seconds(ms)})`;
  return [
    ...head(`of ${whole(sessions_ms / 60_000)} session-minutes`, 'servers well', 'at all times'),
    row('false offline, of session time', offline(wrong_ms.calm, wrongs.calm), offline(all.wrong_ms, all.wrongs)),
    row('missed offline', whole(missing.calm), whole(missing.calm + missing.disturbed)),
    row('said to be back though gone', whole(flashes.calm), whole(flashes.calm + flashes.disturbed)),
    row('came and went before it was said', whole(unsaid.calm), whole(unsaid.calm + unsaid.disturbed)),
    '',
    ...head('ms: p50 / p99 / max (measured)', 'servers well', 'at all times'),
    ...goneReasons.map((why) =>
      row(names[why], cell(figures.detection[why]), cell(figures.detection[why], figures.detectionDisturbed[why])),
    ),
    row('online', cell(figures.freshness), cell(figures.freshness, figures.freshnessDisturbed)),
    '',
    ...byLoss(figures),
  ].join('\n');
}

/** With the servers well. */
function byLoss(figures: Figures): readonly string[] {
  const losses = [...figures.byLoss].sort(([a], [b]) => a - b);
  return [
    ...head('loss each way', 'session-minutes', 'false offline', 'times', names.clean, names.silent),
    ...losses.map(([loss, { sessions_ms, wrong_ms, wrongs, detection }]) =>
      row(
        `${Number((loss * 100).toFixed(2))}%`,
        whole(sessions_ms / 60_000),
        percent(wrong_ms / sessions_ms),
        whole(wrongs),
        cell(detection.clean),
        cell(detection.silent),
      ),
    ),
  ];
}
