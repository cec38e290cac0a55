/**
 * What the compiler cannot see of a topology: names used twice, orders with something twice, lengths of time that do not
 * go together. All faults are reported, each with its place and rule.
 */

import type { StageSpec } from '../../processors/stage.ts';
import { printMillis } from '../../processors/time.ts';
import type { TopologySpec } from './spec.ts';

export interface Fault {
  readonly level: 'error' | 'warning';
  readonly rule: string;
  /** topology.stage */
  readonly at: string;
  readonly message: string;
}

export function lint(spec: TopologySpec): readonly Fault[] {
  const faults: Fault[] = [];
  const error = (rule: string, at: string, message: string) => faults.push({ level: 'error', rule, at, message });
  const owners = new Map<string, string>();
  const claim = (what: string, name: string, at: string) => {
    const owner = owners.get(`${what} ${name}`);
    if (owner !== undefined) error(`duplicate-${what}`, at, `${what} "${name}" is already ${owner}'s`);
    else owners.set(`${what} ${name}`, at);
  };
  if (!Number.isInteger(spec.version) || spec.version < 1)
    error('version', spec.name, `version ${spec.version} is not a whole number from 1`);
  for (const stage of spec.stages) {
    const at = `${spec.name}.${stage.name}`;
    if (!/^[a-z][a-z0-9-]*$/.test(stage.name)) error('name', at, `"${stage.name}" is not of a-z 0-9 - with a letter first`);
    claim('stage', stage.name, at);
    for (const store of stage.stores) {
      claim('store', store.name, at);
      claim('part', store.part, at);
    }
    lintConfig(stage, (rule, message) => error(rule, at, message));
  }
  for (const sink of spec.sinks) claim('sink', sink.name, `${spec.name}.${sink.name}`);
  if (spec.sinks.length === 0) error('no-sink', spec.name, 'has no sink: nothing of it would be seen');
  lintTimes(spec, error);
  return faults;
}

function lintConfig(stage: StageSpec, error: (rule: string, message: string) => void): void {
  for (const [key, value] of Object.entries(stage.config)) {
    if (Array.isArray(value) && new Set(value).size !== value.length)
      error('twice-in-order', `${key} names something twice: ${value.join(', ')}`);
    if (typeof value === 'number' && (!Number.isInteger(value) || value < 0))
      error('bad-number', `${key} ${value} is not a whole number from 0`);
  }
}

type Report = (rule: string, at: string, message: string) => void;

/** A number that some stage's config has under this name; null if none has. */
function find(spec: TopologySpec, key: string): { readonly at: string; readonly value: number } | null {
  for (const stage of spec.stages) {
    const value = stage.config[key];
    if (typeof value === 'number') return { at: `${spec.name}.${stage.name}`, value };
  }
  return null;
}

function lintTimes(spec: TopologySpec, error: Report): void {
  const window = find(spec, 'window_ms');
  const lease = find(spec, 'lease_ms');
  const forget = find(spec, 'forget_ms');
  const forgetGateway = find(spec, 'forget_gateway_ms');
  const clock = spec.source.clock;
  if (window !== null && window.value < 1) error('no-window', window.at, 'the window is 0 ms: every stamp would be a cut');
  // Owners and gateways write a marker a second: a lease that two lost ones end is no lease.
  if (lease !== null && lease.value < 2_000)
    error(
      'short-lease',
      lease.at,
      `lease ${printMillis(lease.value)} is below two markers (2 s): one late marker would declare a gateway dead`,
    );
  if (clock !== null && lease !== null && clock.hole_ms >= lease.value) {
    const [hole, length] = [printMillis(clock.hole_ms), printMillis(lease.value)];
    const message = `a silent log of ${hole} counts as time, and lease is ${length}: nobody could write, and gateways die`;
    error('hole-beyond-lease', lease.at, message);
  }
  if (clock !== null && window !== null && clock.leap_ms < window.value) {
    error(
      'leap-below-window',
      window.at,
      `a step back of ${printMillis(clock.leap_ms)} is a leap, within one window of ${printMillis(window.value)}`,
    );
  }
  if (forget !== null && forgetGateway !== null && forgetGateway.value <= forget.value) {
    const [gateway, device] = [printMillis(forgetGateway.value), printMillis(forget.value)];
    const message = `a gateway is forgotten after ${gateway}, its devices after ${device}: it must outlast them`;
    error('gateway-forgotten-first', forgetGateway.at, message);
  }
}
