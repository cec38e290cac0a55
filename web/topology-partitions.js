/** The partitions: one row each, kept while the partition is known. */
import { bytes, duration, h, perSecond, Spark, say, short } from './elements.js';

const columns = [
  { name: 'signals in', text: (f, one) => perSecond(f.rate('signals', one.partition)) },
  { name: 'last 2 min', spark: true },
  { name: 'lag', text: (_, one) => short(one.lag) },
  { name: 'time lag', text: (_, one) => duration(one.time_lag_ms) },
  { name: 'users', text: (_, one) => short(one.users) },
  { name: 'devices', text: (_, one) => short(one.devices) },
  { name: 'timers', text: (_, one) => short(one.timers) },
  { name: 'state', text: (_, one) => bytes(one.image_bytes) },
  { name: 'a commit', text: (f, one) => duration(f.commitMs(one.partition)) },
  { name: 'ticks', text: (f, one) => perSecond(f.rate('ticks', one.partition)) },
  { name: 'dead letters', text: (_, one) => short(one.dead_letters) },
  { name: 'position', text: (_, one) => one.position.toLocaleString('en') },
];

/** How a state reads, and how it looks. `committing` is running: it comes and goes many times a second. */
const states = {
  running: ['running', 'good'],
  committing: ['running', 'good'],
  unknown_commit: ['asking after a commit', 'wait'],
  fencing: ['being taken', 'wait'],
  restoring: ['restoring', 'wait'],
  fenced: ['taken by another', 'wait'],
  standby: ['standby', 'idle'],
  revoked: ['given up', 'idle'],
  parked: ['parked', 'bad'],
  'no owner': ['no owner', 'bad'],
  'not here': ['not here', 'idle'],
};

export class PartitionTable {
  #body = h('tbody', {});
  #rows = new Map();
  #instance = h('th', { class: 'left' }, 'where');

  constructor(place) {
    const heads = columns.map(({ name, spark }) => h('th', { scope: 'col', class: spark ? 'left' : null }, name));
    const head = h(
      'tr',
      {},
      h('th', { scope: 'col' }, '#'),
      h('th', { scope: 'col', class: 'left' }, 'state'),
      this.#instance,
      ...heads,
    );
    place.append(h('table', {}, h('thead', {}, head), this.#body));
    this.note = document.getElementById('partitions-note');
  }

  update(figures) {
    const { partitions, processes } = figures;
    const where = processes.filter((one) => one.partitions.length > 0).length > 1;
    this.#instance.hidden = !where;
    say(this.note, noteOf(figures));
    for (const one of partitions) this.#update(figures, one, where);
    for (const [number, { element }] of this.#rows) {
      if (partitions.some(({ partition }) => partition === number)) continue;
      element.remove();
      this.#rows.delete(number);
    }
  }

  #update(figures, one, where) {
    const row = this.#rowOf(one.partition);
    const [text, kind] = states[one.state] ?? [one.state, 'idle'];
    row.element.dataset.state = one.state === 'committing' ? 'running' : one.state;
    row.pill.dataset.kind = kind;
    say(row.pill, text);
    say(row.why, whyOf(one));
    row.why.hidden = row.why.textContent === '';
    row.progress.hidden = restoreOf(one) === null;
    if (!row.progress.hidden) row.progress.value = restoreOf(one).part;
    row.where.hidden = !where;
    say(row.where, one.instance ?? '');
    row.cells.forEach((cell, index) => {
      const { text: write } = columns[index];
      if (write !== undefined) say(cell, one.absent === true ? '–' : write(figures, one));
    });
    row.spark.show(one.absent === true ? [] : figures.line('signals', one.partition));
  }

  #rowOf(number) {
    const known = this.#rows.get(number);
    if (known !== undefined) return known;
    const spark = new Spark(`signals of partition ${number}, the last two minutes`);
    const pill = h('span', { class: 'pill' });
    const why = h('span', { class: 'why' });
    const progress = h('progress', { max: '1', 'aria-label': `restore of partition ${number}` });
    const where = h('td', { class: 'left' });
    const cells = columns.map((column) => (column.spark ? h('td', { class: 'spark-cell' }, spark.element) : h('td', {})));
    const state = h('td', { class: 'left' }, pill, progress, why);
    const element = h('tr', { 'data-partition': number }, h('td', {}, String(number)), state, where, ...cells);
    const row = { element, pill, why, progress, where, cells, spark };
    this.#rows.set(number, row);
    const after = [...this.#rows.keys()].filter((other) => other > number).sort((a, b) => a - b)[0];
    this.#body.insertBefore(element, after === undefined ? null : this.#rows.get(after).element);
    return row;
  }
}

function noteOf({ shown, partitions, complete }) {
  if (partitions.length === 0) return 'not known before the log is reached';
  if (shown.length === partitions.length) return '';
  const rest = partitions.length - shown.length;
  return complete
    ? `${rest} of ${partitions.length} have no owner: nobody is told of changes of their users`
    : `${rest} of ${partitions.length} are not here: other instances may run them (TOPOLOGY_URLS shows those too)`;
}

const restoreOf = (one) => {
  const { restore } = one;
  if (one.state !== 'restoring' || restore === undefined || restore === null || !(restore.total > 0)) return null;
  return { ...restore, part: Math.min(1, restore.done / restore.total) };
};

function whyOf(one) {
  if (one.problem) return one.problem;
  const restore = restoreOf(one);
  if (restore !== null) return `${short(restore.total - restore.done)} records to read`;
  const standbys = (one.standbys ?? []).map(({ instance, lag }) => `${instance}${lag > 0 ? ` (${short(lag)} behind)` : ''}`);
  return standbys.length === 0 ? '' : `standby: ${standbys.join(', ')}`;
}
