/** Lengths of time that must go together: each rule names what happens to users if they do not. */
import { printMillis } from '../../../processors/time.ts';
import type { TopologySpec } from '../spec.ts';
import { GOODBYE_WITHIN_MS, MARKER_MS, OFFLINE_WITHIN_MS, ONLINE_WITHIN_MS, WAY_MS } from './facts.ts';
import { error, type Found, number, place, type Rule, topic, warning } from './rule.ts';

type Times = Readonly<
  Record<'window' | 'stagger' | 'lease' | 'grace' | 'forget' | 'gateway' | 'restate' | 'remember', Found<number> | null>
>;

const timesOf = (spec: TopologySpec): Times => ({
  window: number(spec, 'window_ms'),
  stagger: number(spec, 'stagger_ms'),
  lease: number(spec, 'lease_ms'),
  grace: number(spec, 'grace_ms'),
  forget: number(spec, 'forget_ms'),
  gateway: number(spec, 'forget_gateway_ms'),
  restate: number(spec, 'restate_ms'),
  remember: number(spec, 'remember_ms'),
});

const say = printMillis;

const windows: readonly Rule[] = [
  error('no-window', (spec, report) => {
    const { window } = timesOf(spec);
    if (window?.value === 0)
      report(window.at, 'the window is 0 ms: every stamp would be a cut', 'Give it at least 1 ms; 200 ms is the contract’s.');
  }),
  warning('late-online', (spec, report) => {
    const { window } = timesOf(spec);
    if (window === null || window.value + WAY_MS <= ONLINE_WITHIN_MS) return;
    report(
      window.at,
      `a change may wait a window of ${say(window.value)}, and ${say(WAY_MS)} on its way: others are to see it ` +
        `within ${say(ONLINE_WITHIN_MS)}`,
      `Make the window at most ${say(ONLINE_WITHIN_MS - WAY_MS)}.`,
    );
  }),
  warning('late-offline', (spec, report) => {
    const { lease, window } = timesOf(spec);
    if (lease === null || window === null || lease.value + window.value + WAY_MS <= OFFLINE_WITHIN_MS) return;
    const sum = `lease ${say(lease.value)} + window ${say(window.value)} + ${say(WAY_MS)} on its way`;
    report(
      lease.at,
      `the users of a dead gateway are offline after ${sum}: it is to be within ${say(OFFLINE_WITHIN_MS)}`,
      'Shorten the lease or the window.',
    );
  }),
  warning('late-goodbye', (spec, report) => {
    const { grace, window } = timesOf(spec);
    if (grace === null || window === null || grace.value + window.value <= GOODBYE_WITHIN_MS) return;
    report(
      grace.at,
      `a clean leave is seen after grace ${say(grace.value)} + window ${say(window.value)}: it is to be within ` +
        `${say(GOODBYE_WITHIN_MS)}`,
      'Shorten the grace, or say in the contract that leaving takes longer.',
    );
  }),
  warning('grace-below-window', (spec, report) => {
    const { grace, window } = timesOf(spec);
    if (grace === null || window === null || grace.value === 0 || grace.value >= window.value) return;
    report(
      grace.at,
      `grace ${say(grace.value)} is shorter than the window ${say(window.value)}: it mostly ends before the ` +
        `cut, as if there were none`,
      'Make grace longer than the window, or 0.',
    );
  }),
  warning('stagger', (spec, report) => {
    const { window, stagger } = timesOf(spec);
    const partitions = topic(spec, spec.source.topic)?.partitions ?? 1;
    if (window === null || stagger === null || window.value === 0 || partitions < 4) return;
    const crowds = new Map<number, number>();
    for (let p = 0; p < partitions; p += 1) {
      const shift = (p * stagger.value) % window.value;
      crowds.set(shift, (crowds.get(shift) ?? 0) + 1);
    }
    const most = Math.max(...crowds.values());
    if (most * 2 < partitions) return;
    report(
      stagger.at,
      `with stagger ${say(stagger.value)} and window ${say(window.value)}, ${most} of ${partitions} partitions ` +
        `cut and commit at the same moment`,
      `Spread them: ${say(Math.max(1, Math.floor(window.value / partitions)))} would.`,
    );
  }),
];

const leases: readonly Rule[] = [
  error('short-lease', (spec, report) => {
    const { lease } = timesOf(spec);
    // A lease that two lost markers end is no lease.
    if (lease === null || lease.value >= 2 * MARKER_MS) return;
    report(
      lease.at,
      `lease ${say(lease.value)} is below two markers (${say(2 * MARKER_MS)}): one late marker would declare a gateway dead`,
      `Make it at least ${say(2 * MARKER_MS)}; 3 s is the contract’s.`,
    );
  }),
  error('hole-beyond-lease', (spec, report) => {
    const { lease } = timesOf(spec);
    const { clock } = spec.source;
    if (clock === null || lease === null || clock.hole_ms < lease.value) return;
    report(
      lease.at,
      `a silent log of ${say(clock.hole_ms)} counts as time, and lease is ${say(lease.value)}: nobody could ` +
        `write, and gateways die`,
      'Make clock.hole shorter than the lease.',
    );
  }),
  error('hole-below-marker', (spec, report) => {
    const { clock } = spec.source;
    if (clock === null || clock.hole_ms > MARKER_MS) return;
    report(
      place(spec, spec.source.name),
      `a step over ${say(clock.hole_ms)} is a hole, and markers are ${say(MARKER_MS)} apart: time would stand ` +
        `still, and nobody go offline`,
      'Make clock.hole longer than a second, with room for delays: 1,500 ms.',
    );
  }),
  warning('short-settle', (spec, report) => {
    const { clock } = spec.source;
    if (clock === null || clock.settle_ms >= 2 * MARKER_MS) return;
    report(
      place(spec, spec.source.name),
      `after a hole ${say(clock.settle_ms)} are left out, and writers come back within ${say(2 * MARKER_MS)}: ` +
        `the last ones would be declared dead`,
      `Make clock.settle at least ${say(2 * MARKER_MS)}.`,
    );
  }),
  error('leap-below-window', (spec, report) => {
    const { window } = timesOf(spec);
    const { clock } = spec.source;
    if (clock === null || window === null || clock.leap_ms >= window.value) return;
    report(
      window.at,
      `a step back of ${say(clock.leap_ms)} is a leap, within one window of ${say(window.value)}`,
      'Make clock.leap at least as long as the window.',
    );
  }),
  warning('no-clock', (spec, report) => {
    if (spec.source.clock !== null || number(spec, 'lease_ms') === null) return;
    report(
      place(spec, spec.source.name),
      'has no clock: a pause of the log is taken for silence of everybody',
      'Give it a clock, unless the stamps are those of another log (a benchmark).',
    );
  }),
  warning('restate-each-marker', (spec, report) => {
    const { restate } = timesOf(spec);
    if (restate === null || restate.value >= 2 * MARKER_MS) return;
    report(
      restate.at,
      `a gateway may be asked to restate every ${say(restate.value)}, and its answer comes with its next ` +
        `marker, ${say(MARKER_MS)} later`,
      `Make it at least ${say(2 * MARKER_MS)}.`,
    );
  }),
];

const memories: readonly Rule[] = [
  error('gateway-forgotten-first', (spec, report) => {
    const { forget, gateway } = timesOf(spec);
    if (forget === null || gateway === null || gateway.value > forget.value) return;
    report(
      gateway.at,
      `a gateway is forgotten after ${say(gateway.value)}, its devices after ${say(forget.value)}: it must outlast them`,
      'Make forgetGateway longer than forget.',
    );
  }),
  error('forgotten-before-remembered', (spec, report) => {
    const { forget, remember } = timesOf(spec);
    if (forget === null || remember === null || forget.value >= remember.value) return;
    report(
      forget.at,
      `a device is forgotten after ${say(forget.value)}, its replaced sessions are to be remembered for ` +
        `${say(remember.value)}: they go with it, and would be heard again`,
      'Make forget at least as long as remember.for.',
    );
  }),
  error('forgotten-before-return', (spec, report) => {
    const { forget, lease } = timesOf(spec);
    if (forget === null || lease === null || forget.value > lease.value) return;
    report(
      forget.at,
      `a device is forgotten after ${say(forget.value)}, a gateway may be silent for ${say(lease.value)}: one ` +
        `that comes back would find nobody`,
      'Make forget longer than the lease: minutes.',
    );
  }),
  error('flush-beyond-retention', (spec, report) => {
    const flush = number(spec, 'flush_ms');
    const retention = topic(spec, spec.source.topic)?.retention_ms ?? null;
    if (flush === null || retention === null || flush.value * 10 <= retention) return;
    report(
      flush.at,
      `a beat may be unwritten for ${say(flush.value)}, and ${spec.source.topic} keeps ${say(retention)}: a ` +
        `restore must find it there`,
      'Flush at least ten times as often as the input’s retention.',
    );
  }),
];

export const times: readonly Rule[] = [...windows, ...leases, ...memories];
