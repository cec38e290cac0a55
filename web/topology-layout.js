/**
 * Where the parts of a topology stand: from its spec to nodes and edges with places, in the space there is.
 *
 * A topology is a chain with branches at its end, so the layout is by layers: a node stands one layer behind the
 * farthest of those that it reads from. Layers are columns where they fit side by side, else rows (a phone, or a long
 * chain); the nodes of a layer share the other direction. What comes before and after the topology (gateways) is drawn
 * too, so that the whole way of a signal is seen.
 */

const GAP = 24;
const SPREAD = 14;
const WIDE = { stage: 144, other: 105 };
/** A node that is narrower is written smaller. */
const NARROW = 112;
const STAGE_WIDTH_MAX = 460;
/** Heights: a title and two lines; a stage has a line for each store and timer below them. */
const HEAD = 82;
const LINE = 21;
const LINES_PAD = 12;
/** A topic's name takes two lines where it is narrower than this. */
const TITLE_LINE = 17;
const NAME_WIDTH = 150;

/** spec and the topics where gateways meet it → what there is to draw, in the order of the flow. */
export function graphOf(spec, gateway) {
  const nodes = [];
  const edges = [];
  const node = (id, kind, title, more = {}) => nodes.push({ id, kind, title, lines: [], ...more });
  const source = `topic:${spec.source.topic}`;
  if (gateway.writes === spec.source.topic) {
    node('gateways:in', 'outside', 'Gateways', { subtitle: 'from clients' });
    edges.push(['gateways:in', source]);
  }
  node(source, 'topic', spec.source.topic, { subtitle: `by ${spec.source.key}` });
  let before = source;
  for (const stage of spec.stages) {
    const id = `stage:${stage.name}`;
    node(id, 'stage', stage.name, { subtitle: stage.kind, stage, lines: linesOf(stage) });
    edges.push([before, id]);
    before = id;
  }
  for (const sink of spec.sinks.filter(({ kind }) => kind === 'kafka')) {
    node(`topic:${sink.target}`, 'topic', sink.target, { subtitle: `as ${sink.name}`, sink });
    edges.push([before, `topic:${sink.target}`]);
  }
  for (const sink of spec.sinks.filter(({ kind }) => kind !== 'kafka')) {
    const id = `sink:${sink.name}`;
    node(id, 'sink', sink.name, { subtitle: sinkWord(sink.kind), sink });
    const reads = (sink.reads ?? []).map((topic) => `topic:${topic}`).filter((topic) => nodes.some((one) => one.id === topic));
    for (const from of reads.length > 0 ? reads : [before]) edges.push([from, id]);
  }
  if (nodes.some(({ id }) => id === `topic:${gateway.reads}`)) {
    node('gateways:out', 'outside', 'Gateways', { subtitle: 'to watchers' });
    edges.push([`topic:${gateway.reads}`, 'gateways:out']);
  }
  return { nodes, edges };
}

export const sinkWord = (kind) => ({ cockroachdb: 'CockroachDB', redis: 'Redis' })[kind] ?? kind;

/** A store is its stage's; a timer's name begins with its stage's, which is said above it. */
function linesOf(stage) {
  const short = (name) => (name.startsWith(`${stage.name}.`) ? name.slice(stage.name.length + 1) : name);
  return [
    ...stage.stores.map(({ name }) => ({ kind: 'store', name, label: name })),
    ...stage.timers.map((timer) => ({ kind: 'timer', name: timer.name, label: short(timer.name), timer })),
  ];
}

/** Places for a width: `{across, width, height, nodes: [{…node, x, y, w, h}], edges: [{from, to, d}]}`. */
export function layOut({ nodes, edges }, width) {
  const layers = layersOf(nodes, edges);
  const natural = layers.reduce((sum, layer) => sum + widest(layer), 0) + GAP * (layers.length - 1);
  const across = natural <= width;
  const placed = across ? inColumns(layers, width - natural) : inRows(layers, width);
  const byId = new Map(placed.nodes.map((node) => [node.id, node]));
  const lines = edges.map(([from, to]) => ({ from, to, d: curve(byId.get(from), byId.get(to), across) }));
  return { across, width, ...placed, edges: lines };
}

function layersOf(nodes, edges) {
  const depth = new Map(nodes.map(({ id }) => [id, 0]));
  // Nodes come in the order of the flow, so one pass over the edges of each is enough.
  for (const { id } of nodes)
    for (const [from, to] of edges) if (to === id) depth.set(id, Math.max(depth.get(id), depth.get(from) + 1));
  const layers = [];
  for (const node of nodes) (layers[depth.get(node.id)] ??= []).push(node);
  return layers;
}

const widest = (layer) => (layer.some(({ kind }) => kind === 'stage') ? WIDE.stage : WIDE.other);
const linesHeight = (count) => (count === 0 ? 0 : count * LINE + LINES_PAD);

function inColumns(layers, spare) {
  const most = Math.max(0, ...layers.flat().map(({ lines }) => lines.length));
  const heightOf = ({ kind }) => HEAD + ({ stage: linesHeight(most), topic: TITLE_LINE }[kind] ?? 0);
  const heights = layers.map((layer) => layer.reduce((sum, node) => sum + heightOf(node), 0) + SPREAD * (layer.length - 1));
  const height = Math.max(...heights);
  // What is to spare goes to the stages and the gaps.
  const more = Math.min(26, spare / layers.length);
  const gap = GAP + Math.max(0, (spare - more * layers.length) / (layers.length - 1));
  const nodes = [];
  let x = 0;
  layers.forEach((layer, index) => {
    const w = widest(layer) + more;
    let y = (height - heights[index]) / 2;
    for (const node of layer) {
      const h = heightOf(node);
      nodes.push({ ...node, x, y, w, h });
      y += h + SPREAD;
    }
    x += w + gap;
  });
  return { height, nodes };
}

function inRows(layers, width) {
  const nodes = [];
  const full = Math.min(width, STAGE_WIDTH_MAX);
  let y = 0;
  for (const layer of layers) {
    const w = layer.length === 1 ? full : Math.min((width - SPREAD * (layer.length - 1)) / layer.length, full);
    const all = w * layer.length + SPREAD * (layer.length - 1);
    const single = layer.length === 1;
    // A wide stage has its stores and timers in two columns.
    const twoLines = w < NAME_WIDTH ? TITLE_LINE : 0;
    const heightOf = ({ lines, kind }) =>
      HEAD + (single ? -20 : kind === 'topic' ? twoLines : 0) + linesHeight(Math.ceil(lines.length / 2));
    const h = Math.max(...layer.map(heightOf));
    for (const [index, node] of layer.entries())
      nodes.push({ ...node, x: (width - all) / 2 + index * (w + SPREAD), y, w, h, wide: single, narrow: w < NARROW });
    y += h + GAP;
  }
  return { height: y - GAP, nodes };
}

function curve(from, to, across) {
  const round = Math.round;
  if (across) {
    const [x1, y1, x2, y2] = [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2].map(round);
    const mid = round((x1 + x2) / 2);
    return y1 === y2 ? `M${x1} ${y1}H${x2}` : `M${x1} ${y1}C${mid} ${y1} ${mid} ${y2} ${x2} ${y2}`;
  }
  const [x1, y1, x2, y2] = [from.x + from.w / 2, from.y + from.h, to.x + to.w / 2, to.y].map(round);
  const mid = round((y1 + y2) / 2);
  return x1 === x2 ? `M${x1} ${y1}V${y2}` : `M${x1} ${y1}C${x1} ${mid} ${x2} ${mid} ${x2} ${y2}`;
}
