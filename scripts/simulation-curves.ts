/**
 * Draws what packet loss does to presence, for choices of beat and timeout (docs/simulation.md): how much of the time of those
 * who are there they are said offline, and how long a silent client stays online in return.
 *
 *   npx tsx scripts/simulation-curves.ts --worlds 6 --workers 2
 *
 * `--draw`: only draws what is there.
 *
 * False offline is measured where clients stay connected and the servers are well: nothing but loss takes anybody away.
 * Detection is measured where clients come and go, at 5% loss. Writes docs/simulation-curves.json (also what a stopped run goes
 * on from) and the two charts beside it, and prints the table of the choices.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { campaign, Workers } from '../simulation/campaign.ts';

interface Choice {
  readonly heartbeat_ms: number;
  readonly ttl_ms: number;
}

/** `none`: everyone stays. `clients`: they come and go. */
interface Setting extends Choice {
  readonly loss: number;
  readonly faults: 'none' | 'clients';
}

interface Point extends Setting {
  readonly worlds: number;
  readonly session_minutes: number;
  /** Of session time. */
  readonly false_offline: number;
  readonly times: number;
  /** Offline of a silent client, ms. */
  readonly silent: { readonly measured: number; readonly p50: number; readonly p99: number } | null;
}

const docs = join(import.meta.dirname, '../docs');
const data = join(docs, 'simulation-curves.json');
const { values } = parseArgs({
  options: {
    worlds: { type: 'string', default: '6' },
    workers: { type: 'string', default: '1' },
    draw: { type: 'boolean', default: false },
  },
});
const worlds = Number(values.worlds);

const DEFAULT: Choice = { heartbeat_ms: 1_000, ttl_ms: 3_000 };
const choices: readonly Choice[] = [
  { heartbeat_ms: 500, ttl_ms: 2_000 },
  { heartbeat_ms: 1_000, ttl_ms: 2_000 },
  DEFAULT,
  { heartbeat_ms: 1_000, ttl_ms: 4_000 },
  { heartbeat_ms: 2_000, ttl_ms: 5_000 },
  { heartbeat_ms: 2_000, ttl_ms: 6_000 },
];
const DETECTED_AT_LOSS = 0.05;
const settings: readonly Setting[] = [
  ...[0, 0.01, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2].map((loss) => ({ ...DEFAULT, loss, faults: 'none' as const })),
  ...choices.map((choice) => ({ ...choice, loss: DETECTED_AT_LOSS, faults: 'clients' as const })),
  ...choices.flatMap((choice) => [0.02, 0.05, 0.1, 0.15, 0.2].map((loss) => ({ ...choice, loss, faults: 'none' as const }))),
];
const sameChoice = (a: Choice, b: Choice): boolean => a.heartbeat_ms === b.heartbeat_ms && a.ttl_ms === b.ttl_ms;
const same = (a: Setting, b: Setting): boolean => sameChoice(a, b) && a.loss === b.loss && a.faults === b.faults;

const points: Point[] = existsSync(data)
  ? (JSON.parse(readFileSync(data, 'utf8')) as Point[]).filter((point) => point.worlds === worlds)
  : [];

const workers = new Workers(Number(values.workers));

async function measure(setting: Setting): Promise<Point> {
  const { figures, broken } = await campaign({
    seeds: Array.from({ length: worlds }, (_, index) => index + 1),
    world: { minutes: 10, clients: 50, ...setting },
    workers,
    // With many losses and a short timeout somebody is said offline at the very end: that is what is measured.
    excused: 'truth',
  });
  if (broken !== null) throw new Error(`Seed ${broken.seed} broke ${broken.broken?.invariant} at ${JSON.stringify(setting)}.`);
  const { sessions_ms, wrong_ms, wrongs } = figures;
  const { silent } = figures.detection;
  const [p50, p99] = [silent.quantile(0.5), silent.quantile(0.99)];
  return {
    ...setting,
    worlds,
    session_minutes: Math.round(sessions_ms / 60_000),
    false_offline: wrong_ms.calm / sessions_ms,
    times: wrongs.calm,
    silent: setting.faults === 'none' || p50 === null || p99 === null ? null : { measured: silent.count, p50, p99 },
  };
}

for (const setting of values.draw ? [] : settings) {
  if (points.some((point) => same(point, setting))) continue;
  const point = await measure(setting);
  points.push(point);
  writeFileSync(data, `${JSON.stringify(points, null, 1)}\n`);
  process.stdout.write(`${JSON.stringify(point)}\n`);
}
workers.close();

// What was seen, as charts and as a table.

const seconds = (ms: number): string => `${ms / 1_000} s`;
const nameOf = ({ heartbeat_ms, ttl_ms }: Choice): string => `beat ${seconds(heartbeat_ms)}, timeout ${seconds(ttl_ms)}`;
const stayed = points.filter(({ faults }) => faults === 'none');
const detected = points.flatMap((point) => (point.silent === null ? [] : [{ choice: nameOf(point), ...point.silent }]));
/** Of session time, percent: where nothing was seen, at the foot of the scale. */
const FOOT = 1e-4;
const rows = stayed.map((point) => ({
  choice: nameOf(point),
  loss_percent: point.loss * 100,
  percent: Math.max(point.false_offline * 100, FOOT),
}));

const names = choices.map(nameOf);
/** Colours that stay apart for the colour-blind (Okabe and Ito). */
const range = ['#D55E00', '#CC79A7', '#000000', '#0072B2', '#009E73', '#56B4E9'];
const color = { field: 'choice', type: 'nominal', title: null, scale: { domain: names, range } } as const;
const loss = { field: 'loss_percent', type: 'quantitative', title: 'segments lost each way, %' } as const;
const said = {
  field: 'percent',
  type: 'quantitative' as const,
  title: 'said offline, % of session time',
  scale: { type: 'log' as const, domain: [FOOT, 1] },
  axis: { values: [FOOT, 1e-3, 1e-2, 1e-1, 1], labelExpr: `datum.value <= ${FOOT} ? 'none seen' : format(datum.value, '~g')` },
};
const look = { background: 'white', padding: 12, config: { font: 'sans-serif', view: { stroke: null } } } as const;

async function draw(name: string, spec: TopLevelSpec): Promise<void> {
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  writeFileSync(join(docs, name), `${await view.toSVG()}\n`);
}

await draw('simulation-loss.svg', {
  ...look,
  title: `False offline over packet loss (${nameOf(DEFAULT)})`,
  width: 480,
  height: 260,
  data: { values: rows.filter(({ choice }) => choice === nameOf(DEFAULT)) },
  mark: { type: 'line', point: true },
  encoding: { x: loss, y: said },
});
await draw('simulation-choices.svg', {
  ...look,
  title: { text: 'What a choice of beat and timeout buys, and what it costs', anchor: 'start', offset: 16 },
  hconcat: [
    {
      title: 'False offline over packet loss',
      width: 380,
      height: 300,
      data: { values: rows.filter(({ loss_percent }) => [2, 5, 10, 15, 20].includes(Math.round(loss_percent))) },
      mark: { type: 'line', point: { size: 45 }, strokeWidth: 2 },
      encoding: { x: loss, y: said, color: { ...color, legend: null } },
    },
    {
      title: `A silent client is said offline after (${DETECTED_AT_LOSS * 100}% loss)`,
      width: 300,
      height: 300,
      data: { values: detected },
      encoding: {
        y: {
          field: 'choice',
          type: 'nominal',
          title: null,
          sort: names,
          axis: { labelLimit: 0, labelFontSize: 11, ticks: false, domain: false },
        },
      },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 3 },
          encoding: {
            x: { field: 'p50', type: 'quantitative', title: 'ms: median (dot) to p99 (bar)', scale: { zero: true } },
            x2: { field: 'p99' },
            color: { ...color, legend: null },
          },
        },
        {
          mark: { type: 'point', filled: true, size: 90, opacity: 1 },
          encoding: { x: { field: 'p50', type: 'quantitative' }, color: { ...color, legend: null } },
        },
        {
          mark: { type: 'tick', thickness: 3, size: 16 },
          encoding: { x: { field: 'p99', type: 'quantitative' }, color: { ...color, legend: null } },
        },
      ],
    },
  ],
});

const percentAt = (choice: Choice, at: number): string => {
  const point = stayed.find((one) => sameChoice(one, choice) && one.loss === at);
  return point === undefined ? '-' : `${(point.false_offline * 100).toFixed(4)}%`;
};
process.stdout.write(
  '\n| Beat | Timeout | at 5% loss | at 10% | at 20% | silent, p50 / p99 |\n| --- | --- | --- | --- | --- | --- |\n',
);
for (const choice of choices) {
  const silent = points.find((point) => point.silent !== null && sameChoice(point, choice))?.silent;
  const latency = silent == null ? '-' : `${silent.p50.toLocaleString('en-US')} / ${silent.p99.toLocaleString('en-US')} ms`;
  const shares = [0.05, 0.1, 0.2].map((at) => percentAt(choice, at));
  process.stdout.write(`| ${[seconds(choice.heartbeat_ms), seconds(choice.ttl_ms), ...shares, latency].join(' | ')} |\n`);
}
