/** The drawing: nodes are buttons with figures in them, edges are curves along which dots run as fast as records do. */
import { duration, h, perSecond, say, short, svg } from './elements.js';
import { layOut } from './topology-layout.js';

const icons = {
  store: () => svg('path', { d: 'M2 3c0-2 8-2 8 0v6c0 2-8 2-8 0zM2 3c0 2 8 2 8 0' }),
  timer: () => svg('path', { d: 'M6 1a5 5 0 1 0 .01 0zM6 3.4V6l1.8 1.2' }),
};

export class Drawing {
  #place;
  #press;
  #graph = null;
  #selected = null;
  #nodes = new Map();
  #streams = [];
  #figures = null;
  #width = 0;

  constructor(place, press) {
    this.#place = place;
    this.#press = press;
  }

  draw(graph, selected) {
    this.#graph = graph;
    this.#selected = selected;
    this.#width = 0;
    this.fit();
  }

  /** Draws anew where the width has changed. */
  fit() {
    const width = Math.floor(this.#place.clientWidth);
    if (this.#graph === null || width === 0 || width === this.#width) return;
    this.#width = width;
    const focused = document.activeElement?.dataset?.node;
    const { height, nodes, edges, across } = layOut(this.#graph, width);
    const lines = edges.map(({ d }) => svg('path', { class: 'edge', d }));
    this.#streams = edges.map(({ from, to, d }) => ({ from, to, path: svg('path', { class: 'stream', d }) }));
    this.#nodes = new Map(nodes.map((node) => [node.id, this.#button(node)]));
    const picture = svg('svg', { width, height, 'aria-hidden': 'true' }, ...lines, ...this.#streams.map(({ path }) => path));
    this.#place.style.height = `${height}px`;
    this.#place.dataset.across = String(across);
    this.#place.replaceChildren(picture, ...[...this.#nodes.values()].map(({ element }) => element));
    if (focused !== undefined) this.#nodes.get(focused)?.element.focus();
    this.select(this.#selected);
    if (this.#figures !== null) this.update(this.#figures);
  }

  #button(node) {
    const rate = h('span', { class: 'rate' });
    const lines = node.lines.map((line) => {
      const value = h('em', {}, line.kind === 'timer' ? lengthOf(line.timer) : '');
      const icon = svg('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true' }, icons[line.kind]());
      const title = line.kind === 'timer' ? `timer ${line.name}` : `store ${line.name}`;
      return { ...line, value, element: h('span', { class: 'line', title }, icon, h('span', {}, line.label), value) };
    });
    const title = h('span', { class: 'title' }, h('b', { title: node.title }, ...breakable(node.title)));
    const subtitle = h('span', { class: 'subtitle' }, node.subtitle);
    if (node.wide) title.append(subtitle);
    const element = h(
      'button',
      {
        type: 'button',
        class: 'node',
        'data-node': node.id,
        'data-kind': node.kind,
        'data-wide': node.wide ? '' : null,
        'data-narrow': node.narrow ? '' : null,
        'aria-pressed': 'false',
        style: `left:${node.x}px;top:${node.y}px;width:${node.w}px;height:${node.h}px`,
        onclick: () => this.#press(node.id),
      },
      title,
      node.wide ? null : subtitle,
      rate,
      lines.length === 0 ? null : h('span', { class: 'lines' }, ...lines.map((line) => line.element)),
    );
    if (!node.wide) title.style.display = 'contents';
    return { node, element, rate, lines };
  }

  select(id) {
    this.#selected = id;
    for (const [own, { element }] of this.#nodes) element.setAttribute('aria-pressed', String(own === id));
  }

  update(figures) {
    this.#figures = figures;
    const out = new Map();
    for (const [id, { node, element, rate, lines }] of this.#nodes) {
      const { text, note, leaves, trouble } = figuresOf(node, figures);
      out.set(id, leaves);
      if (rate.dataset.text !== `${text}|${note}`) {
        rate.dataset.text = `${text}|${note}`;
        rate.replaceChildren(text, ' ', h('i', {}, note));
      }
      element.toggleAttribute('data-trouble', trouble);
      for (const line of lines) if (line.kind === 'store') say(line.value, short(figures.entries(line.name)));
    }
    for (const { from, to, path } of this.#streams) {
      const flow = out.get(from) ?? (from === 'gateways:in' ? out.get(to) : null);
      path.toggleAttribute('data-flows', flow !== null && flow > 0);
      // Three dots' way in 0.4 s at thousands a second, in 4 s at one.
      const pace = Math.max(0.4, 4 - Math.log10(Math.max(1, flow ?? 0)) * 1.1).toFixed(1);
      if (path.dataset.pace !== pace) {
        path.dataset.pace = pace;
        path.style.setProperty('--pace', `${pace}s`);
      }
    }
  }
}

/** A long name breaks after its dots. */
const breakable = (name) => name.split(/(?<=\.)/).flatMap((part, index) => (index === 0 ? [part] : [h('wbr', {}), part]));

const lengthOf = ({ after_ms }) => (after_ms === null ? 'as said' : duration(after_ms));

/** What a node says of itself: its main figure, a note, and how much leaves it. */
function figuresOf(node, figures) {
  const known = (text, note, leaves, trouble = false) => ({ text, note, leaves, trouble });
  if (node.kind === 'stage') {
    const [into, out] = [figures.rate(`in:${node.title}`), figures.rate(`out:${node.title}`)];
    return known(`${perSecond(into)} → ${perSecond(out)}`, '', out);
  }
  if (node.kind === 'topic') {
    const rate = node.sink === undefined ? figures.rate('signals') : figures.rate(`to:${node.title}`);
    const lag = node.sink === undefined ? figures.sum('lag') : null;
    return known(perSecond(rate), lag === null ? '' : `lag ${short(lag)}`, rate);
  }
  if (node.kind === 'sink') {
    const sinks = figures.sinksOf(node.sink.kind);
    if (sinks.length === 0) return known('–', 'not asked', null);
    const rows = sinks.reduce((sum, { rows_s }) => sum + (rows_s ?? 0), 0);
    const lag = sinks.reduce((sum, one) => sum + one.lag, 0);
    const waits = sinks.some(({ state }) => state !== 'running');
    return known(waits ? 'waits' : perSecond(rows), `lag ${short(lag)}`, rows, waits);
  }
  const name = node.id === 'gateways:in' ? 'gateway:signals' : 'gateway:pushed';
  if (figures.gateways.length === 0) return known('–', 'not asked', null);
  const rate = figures.processRate(name);
  const connections = figures.gatewaySum('connections');
  return known(perSecond(rate), node.id === 'gateways:in' ? `${short(connections)} conn.` : 'pushed', rate);
}
