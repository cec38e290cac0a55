/**
 * Draws what packet loss does to presence: false offline over loss, for choices of beat and timeout (docs/simulation.md).
 *
 *   npx tsx scripts/simulation-curves.ts --worlds 6 --workers 2
 *
 * `--draw`: only draws what is there.
 *
 * Clients stay connected and the servers are well: nothing but loss takes anybody away. Writes docs/simulation-curves.json
 * (also what a stopped run goes on from), and the two charts beside it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { campaign } from '../simulation/campaign.ts';

interface Point {
  readonly heartbeat_ms: number;
  readonly ttl_ms: number;
  readonly loss: number;
  readonly worlds: number;
  readonly session_minutes: number;
  /** Of session time. */
  readonly false_offline: number;
  readonly times: number;
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

const byLoss = [0, 0.01, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2].map((loss) => ({ heartbeat_ms: 1_000, ttl_ms: 3_000, loss }));
const byChoice = [0.05, 0.2].flatMap((loss) =>
  [500, 1_000, 2_000].flatMap((heartbeat_ms) =>
    [2_000, 3_000, 4_000, 5_000, 6_000].map((ttl_ms) => ({ heartbeat_ms, ttl_ms, loss })),
  ),
);
const sameWorld = (a: Omit<Point, 'worlds' | 'session_minutes' | 'false_offline' | 'times'>, b: typeof a): boolean =>
  a.heartbeat_ms === b.heartbeat_ms && a.ttl_ms === b.ttl_ms && a.loss === b.loss;

const points: Point[] = existsSync(data)
  ? (JSON.parse(readFileSync(data, 'utf8')) as Point[]).filter((point) => point.worlds === worlds)
  : [];
for (const choice of values.draw ? [] : [...byLoss, ...byChoice]) {
  if (choice.ttl_ms < 2 * choice.heartbeat_ms || points.some((point) => sameWorld(point, choice))) continue;
  const { figures, broken } = await campaign({
    seeds: Array.from({ length: worlds }, (_, index) => index + 1),
    world: { minutes: 10, clients: 50, faults: 'none', ...choice },
    workers: Number(values.workers),
  });
  if (broken !== null) throw new Error(`Seed ${broken.seed} broke ${broken.broken?.invariant} at ${JSON.stringify(choice)}.`);
  const session_minutes = Math.round(figures.sessions_ms / 60_000);
  const false_offline = figures.wrong_ms.calm / figures.sessions_ms;
  points.push({ ...choice, worlds, session_minutes, false_offline, times: figures.wrongs.calm });
  writeFileSync(data, `${JSON.stringify(points, null, 1)}\n`);
  process.stdout.write(`${JSON.stringify(points.at(-1))}\n`);
}

/** Shares as percent; those of which nothing was seen at half the least that could be. */
const rows = points.map((point) => ({
  ...point,
  percent: Math.max(point.false_offline, 1e-7) * 100,
  loss_percent: point.loss * 100,
  beat: `beat ${point.heartbeat_ms} ms`,
  at: `${point.loss * 100}% loss`,
  ttl_s: point.ttl_ms / 1_000,
}));
const scale: { type: 'log'; domain: number[] } = { type: 'log', domain: [1e-5, 10] };

async function draw(name: string, spec: TopLevelSpec): Promise<void> {
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  writeFileSync(join(docs, name), `${await view.toSVG()}\n`);
}

await draw('simulation-loss.svg', {
  title: 'False offline over packet loss (beat 1,000 ms, timeout 3,000 ms)',
  width: 480,
  height: 260,
  background: 'white',
  data: { values: rows.filter((row) => row.heartbeat_ms === 1_000 && row.ttl_ms === 3_000) },
  mark: { type: 'line', point: true },
  encoding: {
    x: { field: 'loss_percent', type: 'quantitative', title: 'segments lost each way, %' },
    y: { field: 'percent', type: 'quantitative', scale, title: 'session time said offline, %' },
  },
});
await draw('simulation-choices.svg', {
  title: 'False offline by beat and timeout',
  background: 'white',
  data: { values: rows.filter((row) => row.loss === 0.05 || row.loss === 0.2) },
  mark: { type: 'line', point: true },
  encoding: {
    column: { field: 'at', type: 'nominal', title: null },
    x: { field: 'ttl_s', type: 'quantitative', title: 'timeout (ttl_ms), s', scale: { domain: [2, 6] } },
    y: { field: 'percent', type: 'quantitative', scale, title: 'session time said offline, %' },
    color: { field: 'beat', type: 'nominal', title: null },
  },
});
