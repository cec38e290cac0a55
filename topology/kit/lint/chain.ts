/** The chain of stages: what each needs before it, and orders and numbers in their settings. */
import type { TopologySpec } from '../spec.ts';
import { DEVICE_BYTES_MAX, GHOST_BYTES_MAX, KINDS, RECORD_BYTES_MAX, SESSION_BYTES_MAX, SOURCES, STATES } from './facts.ts';
import { error, number, ofKind, place, type Rule, setting, warning } from './rule.ts';

/** An order that a stage's settings give; null if none has it. */
function order(spec: TopologySpec, key: 'sources' | 'states') {
  const found = setting(spec, key);
  return found !== null && Array.isArray(found.value) ? { at: found.at, value: found.value as readonly string[] } : null;
}

const ORDERS = [
  ['sources', SOURCES],
  ['states', STATES],
] as const;

export const chain: readonly Rule[] = [
  error('no-stage', (spec, report) => {
    if (spec.stages.length === 0)
      report(
        spec.name,
        'has no stage: signals would go nowhere',
        'Put dedupe, windowedPrecedence, offlineTimeout and diff into pipe().',
      );
  }),
  error('stage-missing', (spec, report) => {
    const last = [...KINDS].reverse().find((kind) => ofKind(spec, kind) !== null);
    for (const kind of KINDS.slice(0, last === undefined ? 0 : KINDS.indexOf(last)))
      if (ofKind(spec, kind) === null)
        report(
          place(spec, ofKind(spec, last as string)?.name ?? ''),
          `${last} needs ${kind} somewhere before it, and there is none`,
          `Add ${kind} before it.`,
        );
  }),
  error('stage-order', (spec, report) => {
    const known = spec.stages.filter(({ kind }) => (KINDS as readonly string[]).includes(kind));
    known.forEach((stage, i) => {
      const before = known[i - 1];
      if (before === undefined || KINDS.indexOf(before.kind as 'diff') < KINDS.indexOf(stage.kind as 'diff')) return;
      report(place(spec, stage.name), `${stage.kind} comes after ${before.kind}`, `The order is ${KINDS.join(', ')}.`);
    });
  }),
  error('twice-in-order', (spec, report) => {
    for (const stage of spec.stages)
      for (const [key, value] of Object.entries(stage.config))
        if (Array.isArray(value) && new Set(value).size !== value.length)
          report(
            place(spec, stage.name),
            `${key} names something twice: ${value.join(', ')}`,
            'Only one place in an order counts.',
          );
  }),
  error('missing-in-order', (spec, report) => {
    for (const [key, all] of ORDERS) {
      const found = order(spec, key);
      const missing = all.filter((one) => found !== null && !found.value.includes(one));
      if (found !== null && missing.length > 0)
        report(found.at, `${key} leaves out ${missing.join(', ')}`, 'What has no place ranks below all: give it one.');
    }
  }),
  warning('other-order', (spec, report) => {
    for (const [key, all] of ORDERS) {
      const found = order(spec, key);
      if (found === null || found.value.length !== all.length || found.value.every((one, i) => one === all[i])) continue;
      report(
        found.at,
        `${key} is ${found.value.join(' > ')}, the contract's is ${all.join(' > ')}`,
        'Clients are written against the contract: change it there first, and tell them.',
      );
    }
  }),
  error('bad-number', (spec, report) => {
    for (const stage of spec.stages)
      for (const [key, value] of Object.entries(stage.config))
        if (typeof value === 'number' && (!Number.isInteger(value) || value < 0))
          report(place(spec, stage.name), `${key} ${value} is not a whole number from 0`, 'Times are whole milliseconds.');
  }),
  error('limit-zero', (spec, report) => {
    const limits = [
      ['devices', 'no device of anybody would be heard'],
      ['remember_sessions', 'a replaced session would be heard again, and two would take turns'],
    ] as const;
    for (const [key, what] of limits) {
      const limit = number(spec, key);
      if (limit?.value === 0) report(limit.at, `${key} is 0: ${what}`, 'Give it at least 1.');
    }
  }),
  error('record-too-large', (spec, report) => {
    const devices = number(spec, 'devices');
    const sessions = number(spec, 'remember_sessions');
    if (devices === null || sessions === null) return;
    const bytes = devices.value * (DEVICE_BYTES_MAX + GHOST_BYTES_MAX + sessions.value * SESSION_BYTES_MAX);
    if (bytes > RECORD_BYTES_MAX)
      report(
        devices.at,
        `a user of ${devices.value} devices with ${sessions.value} replaced sessions each may be ${megabytes(bytes)} MB, ` +
          `and brokers refuse a record over ${megabytes(RECORD_BYTES_MAX)} MB`,
        'Lower devices or remember.sessions: a user who cannot be written stops their partition.',
      );
  }),
];

const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(1);
