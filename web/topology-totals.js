/** The whole at a glance: one number each, and how it went in the last two minutes. */
import { duration, h, perSecond, Spark, say, short } from './elements.js';
import { HISTORY_S } from './topology-figures.js';

const tiles = [
  { name: 'signals in', write: perSecond, value: (f) => f.rate('signals') },
  { name: 'diffs out', write: perSecond, value: (f) => f.rate(`to:${diffsOf(f)}`) },
  { name: 'lag', write: short, value: (f) => f.sum('lag') },
  { name: 'time lag', write: duration, value: (f) => f.worst('time_lag_ms') },
  { name: 'a commit', write: duration, value: (f) => f.commitMs() },
  { name: 'users', write: short, value: (f) => f.sum('users') },
  { name: 'devices', write: short, value: (f) => f.sum('devices') },
  { name: 'timers armed', write: short, value: (f) => f.sum('timers') },
  { name: 'dead letters', write: short, value: (f) => f.sum('dead_letters') },
];

/** The topic that gateways read, if the topology writes it. */
const diffsOf = ({ processes }) => processes[0].gateway.reads;

export class Totals {
  #place;
  #tiles;

  constructor(place) {
    this.#place = place;
    this.#tiles = tiles.map((tile) => {
      const shown = h('b', {});
      const spark = new Spark(`${tile.name}, the last two minutes`);
      return {
        ...tile,
        shown,
        spark,
        past: [],
        element: h('div', { class: 'card total' }, shown, h('span', {}, tile.name), spark.element),
      };
    });
  }

  update(figures) {
    const some = figures.shown.length > 0;
    this.#place.hidden = !some;
    if (!some) return;
    if (this.#place.children.length === 0) this.#place.append(...this.#tiles.map(({ element }) => element));
    const now = performance.now() / 1_000;
    for (const { value, write, shown, spark, past } of this.#tiles) {
      const number = value(figures);
      say(shown, write(number));
      if (number !== null) past.push([now, number]);
      while (past.length > 0 && now - past[0][0] > HISTORY_S) past.shift();
      spark.show(past.map(([at, one]) => [now - at, one]));
    }
  }
}
