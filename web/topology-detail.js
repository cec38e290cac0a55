/**
 * What was pressed, in full: settings, stores, timers, figures; and what it is for, from docs/stages.md (words have one
 * place). With nothing pressed: the way of a signal, step by step.
 */
import { duration, h, perSecond, Spark, say, short } from './elements.js';
import { sinkWord } from './topology-layout.js';

let words = new Map();
const loading = fetch('/docs/stages.md').then(
  async (response) => (words = response.ok ? sectionsOf(await response.text()) : words),
  () => words,
);

/** The first paragraph of each section, by its heading. */
function sectionsOf(text) {
  const sections = text.split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const [heading, ...rest] = section.split('\n');
      const paragraph = rest
        .join('\n')
        .trim()
        .split(/\n\s*\n/)[0];
      return [heading.trim(), paragraph.replaceAll('`', '').replace(/\s+/g, ' ')];
    }),
  );
}

export class Detail {
  #place;
  #press;
  #shown = '';
  /** Functions that bring what is shown up to date. */
  #live = [];
  #figures = null;
  #last = null;

  constructor(place, press) {
    this.#place = place;
    this.#press = press;
    loading.then(() => {
      this.#shown = '';
      if (this.#last !== null) this.show(...this.#last);
    });
  }

  show(figures, graph, selected) {
    this.#last = [figures, graph, selected];
    this.#figures = figures;
    const node = graph.nodes.find(({ id }) => id === selected) ?? null;
    // Partitions are rows of a stage's table: another set of them is another picture.
    const shape = JSON.stringify([graph, selected, figures.shown.map(({ partition }) => partition)]);
    if (shape !== this.#shown) {
      this.#shown = shape;
      this.#live = [];
      this.#place.replaceChildren(...(node === null ? this.#overview(graph) : this.#of(node)));
    }
    for (const refresh of this.#live) refresh();
  }

  /** An element whose text follows the figures. */
  #says(tag, text, attributes = {}) {
    const element = h(tag, attributes);
    this.#live.push(() => say(element, text(this.#figures)));
    return element;
  }
  #spark(name, label) {
    const spark = new Spark(`${label}, the last two minutes`);
    this.#live.push(() => spark.show(this.#figures.line(name)));
    return spark.element;
  }
  #list(title, entries) {
    if (entries.length === 0) return null;
    const pairs = entries.flatMap(([name, value]) => [
      h('dt', {}, name),
      typeof value === 'function' ? this.#says('dd', value) : h('dd', {}, value),
    ]);
    return h('section', {}, h('h3', {}, title), h('dl', {}, ...pairs));
  }

  #overview(graph) {
    const steps = graph.nodes.map((node) => {
      const text = words.get(headingOf(node)) ?? '';
      const name = h('button', { type: 'button', onclick: () => this.#press(node.id) }, nameOf(node));
      return h('li', {}, name, ' ', text);
    });
    const summary = h('summary', {}, 'Step by step');
    const open = matchMedia('(min-width: 800px)').matches;
    return [
      h('h2', { id: 'detail-title' }, 'Press a part of the drawing to see inside'),
      h('details', { open: open ? '' : null }, summary, h('ol', { class: 'steps' }, ...steps)),
    ];
  }

  #of(node) {
    const close = h('button', { type: 'button', class: 'quiet', onclick: () => this.#press(node.id) }, 'close');
    const kind = { stage: node.stage?.kind, topic: 'topic', sink: sinkWord(node.sink?.kind), outside: 'gateways' }[node.kind];
    const title = h('h2', { id: 'detail-title' }, nameOf(node), h('span', { class: 'pill' }, kind), close);
    const heading = headingOf(node);
    const more = h('a', { href: '/docs/stages.md' }, 'more');
    const about = words.has(heading) ? h('p', { class: 'about' }, words.get(heading), ' ', more) : null;
    const inside = {
      stage: () => this.#stage(node.stage),
      topic: () => this.#topic(node),
      sink: () => this.#sink(node.sink),
      outside: () => this.#gateways(),
    }[node.kind]();
    return [title, ...(about === null ? [] : [about]), ...inside];
  }

  #stage(stage) {
    const { name } = stage;
    const flow = h(
      'section',
      {},
      h('h3', {}, 'Records'),
      h(
        'dl',
        {},
        h('dt', {}, 'in'),
        this.#says('dd', (f) => perSecond(f.rate(`in:${name}`))),
      ),
      this.#spark(`in:${name}`, `into ${name}`),
      h(
        'dl',
        {},
        h('dt', {}, 'handed on'),
        this.#says('dd', (f) => perSecond(f.rate(`out:${name}`))),
      ),
      this.#spark(`out:${name}`, `out of ${name}`),
    );
    const settings = Object.entries(stage.config).map(([key, value]) => settingOf(key, value));
    const stores = stage.stores.map(({ name: store, part }) => [
      part === store ? store : `${store} (${part} of the record)`,
      (f) => `${short(f.entries(store))} entries`,
    ]);
    const timers = stage.timers.map(({ name: timer, after_ms, clock }) => [
      timer,
      `${after_ms === null ? 'as the record says' : duration(after_ms)}, ${clock} clock`,
    ]);
    const lists = [this.#list('Settings', settings), this.#list('Stores', stores), this.#list('Timers', timers)];
    return [h('div', { class: 'columns' }, flow, ...lists), this.#byPartition(stage)];
  }

  #byPartition(stage) {
    const stores = stage.stores.map(({ name }) => name);
    const heads = ['partition', 'in', 'handed on', ...stores].map((text) => h('th', { scope: 'col' }, text));
    const rows = this.#figures.shown.map(({ partition }) => {
      const of = (f) => f.partitions[partition];
      return h(
        'tr',
        {},
        h('td', {}, String(partition)),
        this.#says('td', (f) => perSecond(f.rate(`in:${stage.name}`, partition))),
        this.#says('td', (f) => perSecond(f.rate(`out:${stage.name}`, partition))),
        ...stores.map((store) => this.#says('td', (f) => short(of(f)?.stores?.[store] ?? null))),
      );
    });
    if (rows.length === 0) return '';
    const table = h('table', {}, h('thead', {}, h('tr', {}, ...heads)), h('tbody', {}, ...rows));
    return h('details', {}, h('summary', {}, 'By partition'), h('div', { class: 'scroll' }, table));
  }

  #topic({ title, sink }) {
    const topic = this.#figures.spec.topics?.find(({ name }) => name === title);
    const name = sink === undefined ? 'signals' : `to:${title}`;
    const kept = topic?.retention_ms === null ? 'the newest of each key' : duration(topic?.retention_ms);
    const facts =
      topic === undefined
        ? []
        : [
            ['key', topic.key],
            ['partitions', String(this.#figures.partitions.length || topic.partitions)],
            ['kept', topic.cleanup === 'compact' ? 'the newest of each key' : kept],
            ['holds', topic.schemas.join(', ')],
          ];
    if (sink !== undefined) facts.push(['written', sink.idempotentBy]);
    const flow = h(
      'section',
      {},
      h('h3', {}, 'Records'),
      h(
        'dl',
        {},
        h('dt', {}, sink === undefined ? 'processed' : 'committed'),
        this.#says('dd', (f) => perSecond(f.rate(name))),
      ),
      this.#spark(name, title),
    );
    const lag =
      sink === undefined
        ? this.#list('Behind', [
            ['lag', (f) => `${short(f.sum('lag'))} records`],
            ['time lag, worst', (f) => duration(f.worst('time_lag_ms'))],
          ])
        : null;
    return [h('div', { class: 'columns' }, flow, this.#list('Topic', facts), lag)];
  }

  #sink(sink) {
    const facts = this.#list('Target', [
      ['writes', sink.target],
      ['repeats are harmless by', sink.idempotentBy],
    ]);
    const running = this.#figures.sinksOf(sink.kind).map(({ sink: name, topic }) => {
      const of = (read) => (f) => read(f.sinksOf(sink.kind).find((one) => one.sink === name) ?? {});
      return this.#list(`${name}, from ${topic}`, [
        ['state', of(({ state, problem }) => (problem ? `${state}: ${problem}` : (state ?? '–')))],
        ['records read', of(({ records_s }) => perSecond(records_s ?? null))],
        ['rows written', of(({ rows_s }) => perSecond(rows_s ?? null))],
        ['lag', of(({ lag }) => `${short(lag)} records`)],
        ['a batch takes', of(({ write_ms }) => duration(write_ms))],
        ["from the broker's stamp to written", of(({ delay_ms }) => duration(delay_ms))],
        ['attempts that failed', of(({ retries_s }) => perSecond(retries_s ?? null))],
      ]);
    });
    const none = running.length > 0 ? [] : [h('p', { class: 'hint' }, 'No process asked runs this sink.')];
    return [h('div', { class: 'columns' }, facts, ...running), ...none];
  }

  #gateways() {
    if (this.#figures.gateways.length === 0) return [h('p', { class: 'hint' }, 'No process asked is a gateway.')];
    const numbers = this.#list('All gateways asked', [
      ['connections', (f) => short(f.gatewaySum('connections'))],
      ['users watched', (f) => short(f.gatewaySum('watches'))],
      ['signals written', (f) => perSecond(f.processRate('gateway:signals'))],
      ['signals waiting for the log', (f) => short(f.gatewaySum('held'))],
      ['diffs pushed', (f) => perSecond(f.processRate('gateway:pushed'))],
    ]);
    return [h('div', { class: 'columns' }, numbers)];
  }
}

const nameOf = ({ id, title }) => (id === 'gateways:in' ? 'Gateways, in' : id === 'gateways:out' ? 'Gateways, out' : title);
const headingOf = ({ id, kind, title, stage, sink }) =>
  ({ stage: stage?.kind, sink: sink?.kind, topic: title, outside: id === 'gateways:in' ? 'gateways in' : 'gateways out' })[kind];

/** `after_ms: 3000` reads `after: 3 s`. */
function settingOf(key, value) {
  const time = typeof value === 'number' && key.endsWith('_ms');
  const name = (time ? key.slice(0, -3) : key).replaceAll('_', ' ');
  if (time) return [name, duration(value)];
  return [name, Array.isArray(value) ? value.join(' › ') : String(value)];
}
