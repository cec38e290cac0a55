/**
 * A process of clients: many small sockets (raw-socket.ts) that watch, answer pings, come back, and are counted. Started and
 * spoken to by `crowd.ts`. One process holds up to 19,000, since it has 20,000 file descriptors on many machines.
 */
import { random } from '../../processors/swarm.ts';
import type { Crowd, Report, ToClients } from './messages.ts';
import { RawSocket } from './raw-socket.ts';

const RETRY_MS_MAX = 4_000;
const RETRY_MS_MIN = 500;
const SAMPLES_MAX = 200_000;
const LATENCY_OF = '"at":"';
const SNAPSHOT = Buffer.from('{"type":"snapshot"');
const DIFFS = Buffer.from('{"type":"diffs"');
const WELCOME = Buffer.from('{"type":"welcome"');
const ENTRY = Buffer.from('"user_id"');

const counts = { diffs: 0, frames: 0, bytes: 0, snapshots: 0, reconnects: 0, offline: 0 };
let closes: Record<string, number> = {};
let latency_ms: number[] = [];
let away_ms: number[] = [];
let cpu = process.cpuUsage();
const clients: Client[] = [];
let open = 0;
let settled = 0;

/** A frame's type is its first word. */
const begins = (text: Buffer, word: Buffer): boolean => text.subarray(0, word.length).equals(word);

function entries(text: Buffer): number {
  let found = 0;
  for (let at = text.indexOf(ENTRY); at >= 0; at = text.indexOf(ENTRY, at + ENTRY.length)) found += 1;
  return found;
}

class Client {
  readonly #crowd: Crowd;
  readonly #number: number;
  readonly #watched: readonly string[];
  #gateway: number;
  #socket: RawSocket | null = null;
  #failures = 0;
  #seq = 0;
  #settled = false;
  #open = false;
  #stalled = false;
  #leaving = false;
  #lostAt = 0;
  #away = false;

  constructor(crowd: Crowd, number: number) {
    this.#crowd = crowd;
    this.#number = number;
    this.#gateway = number % crowd.gateways.length;
    const next = random(crowd.seed * 1_000_003 + number);
    const watched = new Set<string>();
    while (watched.size < Math.min(crowd.watch, crowd.among))
      watched.add(`${crowd.watchPrefix}${Math.floor(next() * crowd.among)}`);
    this.#watched = [...watched];
  }

  dial(): void {
    const { gateways, prefix } = this.#crowd;
    const [host, port] = (gateways[this.#gateway % gateways.length] as string).split(':') as [string, string];
    this.#socket = new RawSocket({
      host,
      port: Number(port),
      path: `/presence/stream?access_token=dev:${prefix}${this.#number}`,
      onOpen: () => {
        this.#open = true;
        open += 1;
      },
      onText: (text) => this.#text(text),
      onClose: (code, status) => this.#closed(code, status),
    });
  }

  beat(): void {
    if (this.#open) this.#socket?.say({ type: 'heartbeat', seq: ++this.#seq });
  }

  /** Says the other of two states. */
  change(): void {
    if (!this.#open) return;
    this.#away = !this.#away;
    this.#socket?.say({ type: 'heartbeat', seq: ++this.#seq, state: this.#away ? 'away' : 'online' });
  }

  stall(stalled: boolean): void {
    this.#stalled = stalled;
    if (stalled) this.#socket?.pause();
    else this.#socket?.resume();
  }

  leave(): void {
    this.#leaving = true;
    if (this.#open) this.#socket?.leave();
    else this.#socket?.cut();
  }

  #text(text: Buffer): void {
    counts.frames += 1;
    counts.bytes += text.length;
    if (begins(text, DIFFS)) this.#diffs(text);
    else if (begins(text, SNAPSHOT)) this.#snapshot(text);
    else if (begins(text, WELCOME)) this.#greet();
  }

  #greet(): void {
    const { bind, watch } = this.#crowd;
    const device = `d${this.#number}`;
    if (bind) this.#socket?.say({ type: 'hello', device_id: device, session_id: `s${this.#number}-${process.pid}` });
    if (watch > 0) this.#socket?.say({ type: 'subscribe', user_ids: this.#watched });
  }

  #snapshot(text: Buffer): void {
    const found = entries(text);
    counts.snapshots += found;
    // The first one is of oneself.
    if (this.#settled || found < this.#watched.length) return;
    this.#settled = true;
    this.#failures = 0;
    settled += 1;
    if (this.#lostAt > 0) away_ms.push(Date.now() - this.#lostAt);
    this.#lostAt = 0;
  }

  #diffs(text: Buffer): void {
    counts.diffs += entries(text);
    if (counts.frames % this.#crowd.sample !== 0 || this.#stalled || latency_ms.length >= SAMPLES_MAX) return;
    const now = Date.now();
    const words = text.toString('latin1');
    for (let at = words.indexOf(LATENCY_OF); at >= 0; at = words.indexOf(LATENCY_OF, at + 1))
      latency_ms.push(now - Date.parse(words.slice(at + LATENCY_OF.length, at + LATENCY_OF.length + 24)));
    counts.offline += words.split('"to":"offline"').length - 1;
  }

  #closed(code: number, status: number): void {
    const why = status === 101 ? String(code) : `HTTP ${status}`;
    closes[why] = (closes[why] ?? 0) + 1;
    if (this.#open) open -= 1;
    if (this.#settled) settled -= 1;
    this.#open = this.#settled = false;
    if (this.#leaving || !this.#crowd.returns) return;
    counts.reconnects += 1;
    if (this.#lostAt === 0) this.#lostAt = Date.now();
    this.#gateway += 1;
    const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures);
    this.#failures += 1;
    setTimeout(() => this.dial(), Math.random() * ceiling);
  }
}

function begin(crowd: Crowd): void {
  const made = Array.from({ length: crowd.count }, (_, i) => new Client(crowd, crowd.first + i));
  clients.push(...made);
  const began = performance.now();
  let dialled = 0;
  const timer = setInterval(() => {
    const due = Math.min(made.length, Math.ceil(((performance.now() - began) / 1_000) * crowd.perSecond));
    for (; dialled < due; dialled += 1) made[dialled]?.dial();
    if (dialled === made.length) clearInterval(timer);
  }, 20);
  if (crowd.changes > 0) change(crowd, made);
  const beating = made.slice(0, Math.round(made.length * crowd.beats));
  // Spread over the second.
  let tenth = 0;
  if (beating.length > 0)
    setInterval(() => {
      for (let i = tenth; i < beating.length; i += 10) beating[i]?.beat();
      tenth = (tenth + 1) % 10;
    }, 100);
}

/** Spread evenly over the second. */
function change(crowd: Crowd, made: readonly Client[]): void {
  const began = performance.now();
  let said = 0;
  setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1_000) * crowd.changes);
    for (; said < due; said += 1) made[said % made.length]?.change();
  }, 10);
}

function report(): Report {
  const { user, system } = process.cpuUsage(cpu);
  return { ...counts, open, settled, closes, latency_ms, away_ms, cpu_s: (user + system) / 1e6 };
}

function reset(): void {
  Object.assign(counts, { diffs: 0, frames: 0, bytes: 0, snapshots: 0, reconnects: 0, offline: 0 });
  closes = {};
  latency_ms = [];
  away_ms = [];
  cpu = process.cpuUsage();
}

process.on('disconnect', () => process.exit(0));
process.on('message', (message: ToClients) => {
  if (message.do === 'open') begin(message.crowd);
  else if (message.do === 'stall') for (const [i, client] of clients.entries()) client.stall(i < clients.length * message.share);
  else if (message.do === 'report') process.send?.(report());
  else if (message.do === 'reset') reset();
  else for (const client of clients) client.leave();
});
