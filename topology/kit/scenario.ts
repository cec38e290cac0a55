/**
 * The scenario language: a table of what happens, and what must come of it.
 *
 * ```
 * 0s    g1 lives                        a gateway, with a marker a second from now on
 * 0s    ada/phone hello                 over connection c-phone of g1, in session s1
 * 0.3s  ada/phone heartbeat busy
 * 1s    tick
 * = 0s ada offline>online v1 signal inferred
 * = 0.3s ada online>busy v2 signal app
 * : ada devices=1 last_seen=0.3s
 * ```
 * A step is `time who what words…`; times are since the table's beginning. Between steps time goes on by a tick a
 * second, as a healthy log does, unless the step begins with `gap`. Words: a state; a source; a session (s2), gateway
 * (g2) or connection (c2); seq=5; ttl=60s (makes it an HTTP heartbeat); silent=3s; held=3s; restated; #7 (ordinal); until=5s;
 * id=o1; by=root; trace=x. Steps without a device: `ada override dnd until=9s`, `ada clear`, `g1 marker`
 * (holds=ada/phone/c-phone,… or holds=none; from=7), `g1 lives`, `g1 stops`, `tick`, `cut epoch=7`, `again` (the record
 * before, as it was), `restart` (the process dies and is restored).
 *
 * Lines that are no steps: `=` a diff, under the last step that is not after its `at` (`others` or `self` at the end where not
 * all see it); `!` a control record, under the last step that it could come of; `:` a question to the last written record of a
 * user or of the `partition` (a record is written at the end of its window). All diffs and controls must be there.
 * `play` gives the table back with the true answers in place of the written ones: equal means right.
 */

import { hasCode, PresenceError } from '../../base/errors.ts';
import {
  type Delivery,
  type Diff,
  type Signal,
  type Source,
  type State,
  sourceSymbols,
  stateSymbols,
} from '../../schemas/generated.ts';
import { addHolding, type Holdings, holdingHash } from '../../schemas/holdings.ts';
import { type SignalDraft, signal } from '../../schemas/signal.ts';
import { Driver } from './driver.ts';
import type { PresenceEmission } from './partition.ts';
import type { Topology } from './topology.ts';

/** A table's 0s; a multiple of the window. */
export const SCENARIO_START = 1_700_000_000_000;

const STATES: ReadonlySet<string> = new Set(stateSymbols);
const SOURCES: ReadonlySet<string> = new Set(sourceSymbols);

/** Between two steps; a week of ticks fits. */
const RECORDS_MAX = 1_000_000;

export interface PlayOptions {
  /** Dies and is restored after every record. */
  readonly restarting?: boolean;
  /** Keeps the state in an image, and so many users in memory (driver.ts). */
  readonly hotUsers?: number;
}

/** The table's lines without comments (`//`) and blanks: what `play` answers with, if all is as written. */
export function tidy(table: string): string {
  return table
    .split('\n')
    .map((line) =>
      line
        .replace(/\/\/.*/, '')
        .trim()
        .replace(/\s+/g, ' '),
    )
    .filter((line) => line !== '')
    .join('\n');
}

export function play(topology: Pick<Topology, 'processor'>, table: string, options: PlayOptions = {}): string {
  const player = new Player(topology, options);
  for (const line of tidy(table).split('\n')) {
    try {
      if (line.startsWith(':')) player.answer(line);
      else if (!line.startsWith('=') && !line.startsWith('!')) player.step(line);
    } catch (error) {
      if (!hasCode(error, 'BAD_INPUT')) throw error;
      throw unreadable(`${error.message}, in the line "${line}"${error.help === undefined ? '' : `. ${error.help}`}`);
    }
  }
  return player.told();
}

const KNOWN_STEPS =
  'Steps: tick, restart, again, cut epoch=7; g1 lives|stops|marker; ' +
  'ada/phone hello|heartbeat|goodbye|silence; ada override|clear.';

/** A step, and what came of it. */
interface Told {
  readonly line: string;
  readonly at: number;
  /** The offset of its first record. */
  readonly offset: number;
  readonly brings: string[];
}

const print = (at: number): string => `${(at - SCENARIO_START) / 1_000}s`;

/** The scenario's author is told what cannot be read, without our stack. */
const unreadable = (message: string, help?: string): PresenceError =>
  new PresenceError('BAD_INPUT', message, { at: 'scenario', retriable: false, ...(help === undefined ? {} : { help }) });

function millis(text: string): number {
  const match = /^(-?[\d.]+)(ms|s|m|h)$/.exec(text);
  if (match === null) throw unreadable(`"${text}" is not a time (5s, 200ms, 10m, 1h)`);
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h'];
  const length = Math.round(Number(match[1]) * unit);
  if (Number.isNaN(length)) throw unreadable(`"${text}" is not a time (5s, 200ms, 10m, 1h)`);
  return length;
}

function printDiff(diff: Diff): string {
  const version = diff.audience === 'others' ? diff.public_version : diff.version;
  const whom = diff.audience === 'all' ? '' : ` ${diff.audience}`;
  return `= ${print(diff.at)} ${diff.user_id} ${diff.from}>${diff.to} v${version} ${diff.cause} ${diff.source}${whom}`;
}

function printControl(control: Delivery): string {
  const { kind, gateway_id, user_id, device_id, connection_id } = control;
  return kind === 'lost' ? `! lost ${gateway_id} ${user_id}/${device_id} ${connection_id}` : `! restate ${gateway_id}`;
}

class Player {
  private readonly steps: Told[] = [];
  private readonly driver: Driver;
  private readonly restarting: boolean;
  private time = 0;
  private readonly ordinals = new Map<string, number>();
  private readonly seqs = new Map<string, number>();
  private readonly living = new Set<string>();
  private last: { readonly value: Signal; readonly trace: string | undefined } | null = null;

  constructor(topology: Pick<Topology, 'processor'>, options: PlayOptions) {
    this.driver = new Driver(topology, options.hotUsers === undefined ? {} : { hotUsers: options.hotUsers });
    this.restarting = options.restarting ?? false;
  }

  told(): string {
    return this.steps.flatMap((step) => [step.line, ...step.brings]).join('\n');
  }

  step(line: string): void {
    const words = line.split(' ');
    const gap = words[0] === 'gap';
    if (gap) words.shift();
    const at = millis(words.shift() ?? '');
    if (!gap) this.goOn(at);
    this.time = at;
    this.steps.push({ line, at: SCENARIO_START + at, offset: this.driver.signals.length, brings: [] });
    this.happen(words);
    this.driver.checkpoint();
    for (const emission of this.driver.emissions.splice(0)) this.tell(emission);
  }

  private tell({ diffs, controls, position }: PresenceEmission): void {
    for (const { value } of diffs) this.lastStep((step) => step.at <= value.at)?.brings.push(printDiff(value));
    const before = this.lastStep((step) => step.offset < position);
    for (const { value } of controls) before?.brings.push(printControl(value));
  }

  private lastStep(is: (step: Told) => boolean): Told | undefined {
    let i = this.steps.length - 1;
    while (i >= 0 && !is(this.steps[i] as Told)) i -= 1;
    return this.steps[i];
  }

  /** A healthy log up to there: a marker a second of each living gateway, or a tick. */
  private goOn(at: number): void {
    const records = ((at - this.time) / 1_000) * Math.max(1, this.living.size);
    if (records > RECORDS_MAX)
      throw unreadable(
        `From ${this.time / 1_000}s on that is ${Math.round(records)} records, ${RECORDS_MAX} are allowed (gap has none)`,
      );
    for (let second = Math.floor(this.time / 1_000) * 1_000 + 1_000; second <= at; second += 1_000) {
      this.time = second;
      if (this.living.size === 0) this.feed({ kind: 'tick' });
      for (const gateway of this.living)
        this.feed({ kind: 'marker', gateway_id: gateway, ordinal: this.ordinals.get(gateway) ?? 0 });
    }
  }

  private happen(words: readonly string[]): void {
    const [who = '', what = '', ...rest] = words;
    if (who === 'tick') this.feed({ kind: 'tick' });
    else if (who === 'restart') this.driver.restart();
    else if (who === 'cut') this.feed({ kind: 'cut', epoch: Number(what.replace('epoch=', '')) });
    else if (who === 'again') this.again();
    else if (what === 'lives') {
      this.living.add(who);
      this.feed({ kind: 'marker', gateway_id: who, ordinal: this.ordinals.get(who) ?? 0 });
    } else if (what === 'stops') this.living.delete(who);
    else if (what === 'marker') this.marker(who, rest);
    else if (what === 'override' || what === 'clear') this.override(who, what, rest);
    else if (what === 'hello' || what === 'heartbeat' || what === 'goodbye' || what === 'silence') this.say(who, what, rest);
    else throw unreadable(`"${what || who}" is no step`, KNOWN_STEPS);
  }

  private again(): void {
    if (this.last !== null) this.write(this.last.value, this.last.trace);
  }

  private feed(draft: SignalDraft, trace?: string): void {
    this.last = { value: signal(draft), trace };
    this.write(this.last.value, trace);
  }

  private write(value: Signal, trace: string | undefined): void {
    const traceparent = trace === undefined ? undefined : `00-${trace.padEnd(32, '0')}-00000000000000aa-01`;
    this.driver.feed(SCENARIO_START + this.time, value, traceparent);
    if (this.restarting) this.driver.restart();
  }

  private ordinal(gateway: string, given: string | undefined): number {
    const ordinal = given === undefined ? (this.ordinals.get(gateway) ?? 0) + 1 : Number(given);
    this.ordinals.set(gateway, Math.max(ordinal, this.ordinals.get(gateway) ?? 0));
    return ordinal;
  }

  private say(who: string, kind: 'hello' | 'heartbeat' | 'goodbye' | 'silence', rest: readonly string[]): void {
    const [user = '', device = ''] = who.split('/');
    const words = parse(rest);
    const gateway = words.gateway ?? 'g1';
    const session = words.session ?? 's1';
    const run = `${who} ${session}`;
    const http = words.ttl !== undefined;
    let seq: number | null = null;
    if (kind === 'heartbeat') {
      seq = words.seq === undefined ? (this.seqs.get(run) ?? 0) + 1 : Number(words.seq);
      this.seqs.set(run, seq);
    }
    const draft: SignalDraft = {
      kind,
      user_id: user,
      gateway_id: gateway,
      ordinal: this.ordinal(gateway, words.ordinal),
      received_at: SCENARIO_START + this.time - 1,
      device_id: device,
      session_id: kind === 'hello' || kind === 'heartbeat' ? session : null,
      connection_id: http ? null : (words.connection ?? `c-${device}`),
      seq,
      state: words.state ?? null,
      source: words.source ?? null,
      ttl_ms: words.ttl === undefined ? null : millis(words.ttl),
      restated: words.restated,
      held_ms: words.held === undefined ? 0 : millis(words.held),
      silent_ms: kind === 'silence' ? millis(words.silent ?? '3s') : null,
    };
    this.feed(draft, words.trace);
  }

  private override(user: string, what: 'override' | 'clear', rest: readonly string[]): void {
    const words = parse(rest);
    const gateway = words.gateway ?? 'g1';
    const draft: SignalDraft = {
      kind: what === 'override' ? 'override_set' : 'override_cleared',
      user_id: user,
      gateway_id: gateway,
      ordinal: this.ordinal(gateway, words.ordinal),
      received_at: SCENARIO_START + this.time - 1,
      override_id: words.id ?? (what === 'override' ? 'o1' : null),
      state: words.state ?? null,
      until: words.until === undefined ? null : SCENARIO_START + millis(words.until),
      ttl_s: words.ttl === undefined ? null : millis(words.ttl) / 1_000,
      actor: words.by ?? null,
    };
    this.feed(draft, words.trace);
  }

  private marker(gateway: string, rest: readonly string[]): void {
    const words = parse(rest);
    const holdings: Holdings = { devices: 0, hash: 0 };
    for (const one of words.holds === undefined || words.holds === 'none' ? [] : words.holds.split(',')) {
      const [user = '', device = '', connection = ''] = one.split('/');
      addHolding(holdings, holdingHash(user, device, connection));
    }
    this.feed({
      kind: 'marker',
      gateway_id: gateway,
      ordinal: words.ordinal === undefined ? (this.ordinals.get(gateway) ?? 0) : this.ordinal(gateway, words.ordinal),
      ...(words.holds === undefined ? {} : { devices: holdings.devices, devices_hash: holdings.hash }),
      restated_from: words.from === undefined ? null : Number(words.from),
    });
  }

  /** `: ada state=? devices=?` with what the last written record says. */
  answer(line: string): void {
    const [, who = '', ...asked] = line.split(' ');
    const facts = who === 'partition' ? this.partitionFacts() : this.userFacts(who);
    const answers = asked.map((one) => one.split('=')[0] as string).map((key) => `${key}=${facts[key] ?? 'unknown'}`);
    this.steps.at(-1)?.brings.push([':', who, ...answers].join(' '));
  }

  private partitionFacts(): Readonly<Record<string, string>> {
    const record = this.driver.partitionRecord;
    if (record === null) return {};
    const { missing, repeated, epoch, gateways, lease } = record;
    const known = gateways.map((one) => `${one.gateway_id}${one.dead ? '(dead)' : ''}`).join(',');
    return {
      missing: `${missing}`,
      repeated: `${repeated}`,
      epoch: `${epoch}`,
      gateways: known || 'none',
      lease: `${lease / 1_000}s`,
    };
  }

  private userFacts(userId: string): Readonly<Record<string, string>> {
    const record = this.driver.states.get(userId);
    if (record === undefined) return {};
    const time = (at: number | null): string => (at === null ? 'never' : print(at));
    const others = record.public;
    const facts: Record<string, string> = {
      state: record.state,
      source: record.source,
      since: time(record.since),
      last_seen: time(record.last_seen),
      version: `${record.version}`,
      epoch: `${record.epoch}`,
      devices: `${record.devices_live}`,
      known: record.devices.map((device) => device.device_id).join(',') || 'none',
      streaming: `${record.streaming}`,
      override: record.override?.override_id ?? 'none',
      until: time(record.override?.until ?? null),
      others: others.state,
      'others.source': others.source,
      'others.since': time(others.since),
      'others.last_seen': time(others.last_seen),
      'others.version': `${others.version}`,
      'others.devices': `${others.devices_live}`,
      'others.streaming': `${others.streaming}`,
    };
    for (const device of record.devices) {
      facts[`${device.device_id}.seq`] = `${device.seq}`;
      facts[`${device.device_id}.says`] = `${device.source}:${device.state}`;
      facts[`${device.device_id}.last_seen`] = time(device.last_seen);
      facts[`${device.device_id}.holder`] = device.connection_id ?? 'none';
    }
    return facts;
  }
}

interface Words {
  state?: State;
  source?: Source;
  session?: string;
  gateway?: string;
  connection?: string;
  ordinal?: string;
  restated: boolean;
  [named: string]: string | boolean | undefined;
  seq?: string;
  ttl?: string;
  silent?: string;
  held?: string;
  until?: string;
  id?: string;
  by?: string;
  trace?: string;
  holds?: string;
  from?: string;
}

function parse(rest: readonly string[]): Words {
  const words: Words = { restated: false };
  for (const word of rest) {
    const [name = '', value] = word.split('=');
    if (value !== undefined) words[name] = value;
    else if (STATES.has(word)) words.state = word as State;
    else if (SOURCES.has(word)) words.source = word as Source;
    else if (/^s\d/.test(word)) words.session = word;
    else if (/^g\d/.test(word)) words.gateway = word;
    else if (/^c[-\d]/.test(word)) words.connection = word;
    else if (word.startsWith('#')) words.ordinal = word.slice(1);
    else if (word === 'restated') words.restated = true;
    else throw unreadable(`"${word}" is no word of a step`);
  }
  return words;
}
