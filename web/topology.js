/**
 * The page /topology: asks /topology/live each second and shows what it says. `?at=<node>` opens a part of the drawing.
 *
 * What is shown is kept and changed in place, so that nothing jumps, and focus and selection stay where they are; only a
 * changed spec, or another width, is drawn anew.
 */

import { h, say } from './elements.js';
import { Detail } from './topology-detail.js';
import { Drawing } from './topology-drawing.js';
import { Figures } from './topology-figures.js';
import { graphOf } from './topology-layout.js';
import { PartitionTable } from './topology-partitions.js';
import { Totals } from './topology-totals.js';

const POLL_MS = 1_000;
const ANSWER_MS = 4_000;
/** So long without an answer is worth a word. */
const QUIET_MS = 2_500;

const $ = (id) => document.getElementById(id);
const figures = new Figures();
const drawing = new Drawing($('flow'), (id) => select(id));
const detail = new Detail($('detail'), (id) => select(id));
const partitions = new PartitionTable($('partitions'));
const totals = new Totals($('totals'));
let selected = new URLSearchParams(location.search).get('at');
let drawn = '';
let answeredAt = null;
let trouble = '';

async function poll() {
  try {
    const response = await fetch('/topology/live', { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    figures.learn(await response.json());
    answeredAt = performance.now();
    trouble = '';
    show();
  } catch (error) {
    trouble = error instanceof TypeError ? 'the server cannot be reached' : error.message;
  }
  connection();
  setTimeout(poll, POLL_MS);
}

function show() {
  const { spec, processes } = figures;
  const graph = graphOf(spec, processes[0].gateway);
  const shape = JSON.stringify(graph);
  $('all').hidden = false;
  if (shape !== drawn) {
    drawn = shape;
    if (!graph.nodes.some(({ id }) => id === selected)) selected = null;
    $('name').replaceChildren(`${spec.name}@${spec.version}`, h('small', {}, 'as it runs'));
    document.title = `${spec.name}@${spec.version} · the topology as it runs`;
    drawing.draw(graph, selected);
  }
  drawing.update(figures);
  detail.show(figures, graph, selected);
  partitions.update(figures);
  totals.update(figures);
  warn();
}

function select(id) {
  selected = selected === id ? null : id;
  history.replaceState(null, '', selected === null ? location.pathname : `?at=${encodeURIComponent(selected)}`);
  drawing.select(selected);
  show();
}
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape' && selected !== null) select(null);
});

function connection() {
  const pill = $('connection');
  const quiet_ms = answeredAt === null ? null : performance.now() - answeredAt;
  const [kind, text] =
    quiet_ms === null
      ? ['wait', trouble === '' ? 'asking…' : `no data yet: ${trouble}`]
      : quiet_ms < QUIET_MS
        ? ['good', liveText()]
        : ['bad', `no data for ${Math.round(quiet_ms / 1_000)} s${trouble === '' ? '' : `: ${trouble}`}`];
  pill.dataset.kind = kind;
  say(pill, text);
  document.body.classList.toggle('stale-data', kind === 'bad');
}
setInterval(connection, 500);

function liveText() {
  const names = figures.processes.map(({ instance }) => instance);
  return names.length === 1 ? `live · ${names[0]}` : `live · ${names.length} processes`;
}

/** What an operator should know before they believe the figures. */
function warn() {
  const { processes, unheard, shown, others, spec } = figures;
  const said = [];
  if (!processes.some(({ roles }) => roles.includes('topology'))) {
    const where = 'Stages are counted by the processes that run the topology.';
    const how = 'Open /topology there, or start this one with TOPOLOGY_URLS to see them all in one place.';
    said.push(['wait', `No process asked runs the topology. ${where} ${how}`]);
  }
  for (const { url, problem } of unheard) said.push(['bad', `${url} did not say what it does: ${problem}.`]);
  if (others.length > 0)
    said.push(['wait', `Drawn is ${spec.name}@${spec.version} as most recently heard; ${others.join(', ')} run another spec.`]);
  for (const one of shown.filter(({ state }) => state === 'parked'))
    said.push(['bad', `Partition ${one.partition} is parked: ${one.problem}`]);
  const key = JSON.stringify(said);
  if (warn.last === key) return;
  warn.last = key;
  $('warnings').replaceChildren(...said.map(([kind, text]) => h('li', { 'data-kind': kind }, text)));
}

new ResizeObserver(() => drawing.fit()).observe($('flow'));
poll();
