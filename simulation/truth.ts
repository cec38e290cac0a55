/**
 * The ground truth, and what presence said of it.
 *
 * **Model.** A device is *there* while its client runs, is connected, and is heard by a living gateway; else it is *gone*, since
 * a moment and for a reason (`Gone`). A user is there while any device is. What presence says is the last diff that a reader of
 * committed records could read. From the two follow:
 * - **false offline**: said offline while there (after it had been said once that the user is there);
 * - **freshness**: from there to said so, where offline was said before;
 * - **detection**: from gone to said offline, by the reason of the device that decides: the one whose time runs out last.
 * A user who comes back before that leaves nothing to detect. What happens while the servers are disturbed (a fault, and a
 * while after it) is kept apart.
 */
import type { Cause, State } from '../schemas/generated.ts';
import { Figures, type Gone } from './figures.ts';

/** Within what the contract lets offline wait, ms from gone: the reconnect grace, silence, a gateway's lease. */
const NOMINAL_MS: Readonly<Record<Exclude<Gone, 'ttl'>, number>> = { clean: 1_000, silent: 3_000, gateway: 3_000 };

/** What the system may take beyond the contract's deadlines, before it is late. */
const LATE_MS = 2_000;
/** Changes so shortly before the end are not judged. */
const UNSETTLED_MS = 15_000;

export interface DeviceTruth {
  there: boolean;
  since: number;
  why: Gone;
  /** Of a background device, as it last said. */
  ttl_ms: number;
}

export interface UserTruth {
  readonly key: string;
  readonly devices: Map<string, DeviceTruth>;
  there: number;
  /** What presence says. */
  said: State;
  /** Gone, and said so (perhaps taken back since). */
  told: boolean;
  /** There, but said offline ever since: when it came. */
  awaited: number | null;
  /** There, and said offline after it had been said that they are there: since when. */
  wrongSince: number | null;
  thereSince: number;
  /** Of the paths of the devices that have been there since: the worst. */
  loss: number;
}

export interface TruthOptions {
  readonly now: () => number;
  readonly ttl_ms: number;
  /** Whether the servers were disturbed at any time in [since, now], by faults of gateways too where these are asked for. */
  readonly disturbed: (since: number, gateways: boolean) => boolean;
  /** For how much of [since, now] they were: by so much, at most, deadlines have moved. ms. */
  readonly outage: (since: number) => number;
  /** When a gateway last had anything of this device. */
  readonly lastHeard: (deviceId: string) => number;
  /** When a clean close of this device last reached a gateway; 0: none did. */
  readonly lastLeft: (deviceId: string) => number;
  /** The share of segments that its path loses each way. */
  readonly lossOf: (deviceId: string) => number;
  /** Offline was not said when it was due, though nothing was disturbed. */
  readonly late: (since: number, detail: string) => void;
}

export class Truth {
  readonly figures = new Figures();
  readonly users = new Map<string, UserTruth>();
  readonly #options: TruthOptions;

  constructor(options: TruthOptions) {
    this.#options = options;
  }

  /** The device is heard: connected, its hello said. `ttl_ms` of a background device. */
  there(user: string, deviceId: string, ttl_ms = 0): void {
    const now = this.#options.now();
    const truth = this.#user(user);
    const device = truth.devices.get(deviceId);
    if (device?.there) return;
    if (truth.there === 0) this.#closeAbsence(truth, now);
    truth.devices.set(deviceId, { there: true, since: now, why: 'silent', ttl_ms });
    truth.there += 1;
    const loss = this.#options.lossOf(deviceId);
    truth.loss = truth.there === 1 ? loss : Math.max(truth.loss, loss);
    if (truth.there > 1) return;
    truth.told = false;
    truth.thereSince = now;
    truth.awaited = truth.said === 'offline' ? now : null;
  }

  /** Since `since` (default: now) the device is not there. */
  gone(user: string, deviceId: string, why: Gone, since = this.#options.now()): void {
    const truth = this.#user(user);
    const device = truth.devices.get(deviceId);
    if (!device?.there) return;
    device.there = false;
    device.since = since;
    device.why = why;
    truth.there -= 1;
    if (truth.there > 0) return;
    const now = this.#options.now();
    this.figures.sessions(now - truth.thereSince, truth.loss);
    this.#closeWrong(truth, now);
    if (truth.awaited !== null) this.figures.neverSaid(this.#options.disturbed(truth.awaited, false));
    truth.awaited = null;
  }

  /** A diff can be read. */
  said(user: string, to: State, cause: Cause): void {
    const now = this.#options.now();
    const truth = this.#user(user);
    truth.said = to;
    if (truth.there > 0) this.#saidWhileThere(truth, to, cause, now);
    else this.#saidWhileGone(truth, to, now);
  }

  /** Ends all measuring, and says who is wrong now. */
  end(): readonly string[] {
    const now = this.#options.now();
    const wrong: string[] = [];
    for (const truth of this.users.values()) {
      if (truth.there > 0) {
        this.figures.sessions(now - truth.thereSince, truth.loss);
        const since = truth.wrongSince ?? truth.thereSince;
        if (truth.said === 'offline' && now - since > UNSETTLED_MS)
          wrong.push(`${truth.key} is there since ${Math.round(truth.thereSince)} ms, but said offline`);
        this.#closeWrong(truth, now);
      } else if (truth.said !== 'offline') {
        const device = this.#decider(truth)?.[1];
        if (device !== undefined && now - this.due(device) > UNSETTLED_MS)
          wrong.push(`${truth.key} is gone (${device.why}) since ${Math.round(device.since)} ms, but said ${truth.said}`);
      }
    }
    return wrong;
  }

  /** The device (and its id) whose time runs out last, of a user who is gone. */
  #decider(truth: UserTruth): readonly [string, DeviceTruth] | null {
    let decider: readonly [string, DeviceTruth] | null = null;
    for (const entry of truth.devices) {
      if (decider === null || this.due(entry[1]) > this.due(decider[1])) decider = entry;
    }
    return decider;
  }

  /** When the contract has the device count for nothing. */
  private due(device: DeviceTruth): number {
    if (device.why === 'ttl') return device.since + device.ttl_ms;
    return device.since + (device.why === 'silent' ? this.#options.ttl_ms : NOMINAL_MS[device.why]);
  }

  /**
   * Those that may hold a user who is gone until then: a log that nobody could write to is not silence (contract.md), so a
   * deadline has moved by as much, at most, as the servers were disturbed since.
   */
  #holding(truth: UserTruth, due: number): DeviceTruth[] {
    return [...truth.devices.values()].filter((device) => this.due(device) + this.#options.outage(device.since) >= due);
  }

  #disturbed(truth: UserTruth, decider: DeviceTruth): boolean {
    const holding = this.#holding(truth, this.due(decider));
    return holding.some((device) => this.#options.disturbed(device.since, device.why !== 'gateway'));
  }

  /**
   * The same, as a gateway could know it. Who has closed is silent all the same where the close itself comes late, or where
   * frames of an older connection come after it.
   */
  #dueAsHeard(id: string, device: DeviceTruth): number {
    const { lastHeard, lastLeft, ttl_ms } = this.#options;
    const [heard, left] = [lastHeard(id), lastLeft(id)];
    const since = Math.max(device.since, heard);
    if (device.why !== 'clean') return this.due({ ...device, since });
    const closed = left >= device.since && left >= heard;
    return Math.min(closed ? left + NOMINAL_MS.clean : Number.POSITIVE_INFINITY, since + ttl_ms);
  }

  #user(key: string): UserTruth {
    let truth = this.users.get(key);
    if (truth === undefined) {
      const nobody = { there: 0, said: 'offline', told: true, awaited: null, wrongSince: null, thereSince: 0, loss: 0 } as const;
      truth = { key, devices: new Map(), ...nobody };
      this.users.set(key, truth);
    }
    return truth;
  }

  #saidWhileThere(truth: UserTruth, to: State, cause: Cause, now: number): void {
    if (to !== 'offline') {
      if (truth.awaited !== null) this.figures.fresh(now - truth.awaited, this.#options.disturbed(truth.awaited, false));
      truth.awaited = null;
      this.#closeWrong(truth, now);
    } else if (truth.awaited === null) {
      // Just back from an absence, and the word of it was on its way: what is awaited is that they are there.
      if (now - truth.thereSince < this.#options.ttl_ms && this.#wasAbsence(cause)) truth.awaited = truth.thereSince;
      else {
        truth.wrongSince = now;
        this.figures.wrong(cause, this.#options.disturbed(now - 1, false), truth.loss);
      }
    }
  }

  #wasAbsence(cause: Cause): boolean {
    return cause === 'goodbye' || cause === 'silence' || cause === 'ttl' || cause === 'gateway_lost';
  }

  #closeWrong(truth: UserTruth, now: number): void {
    if (truth.wrongSince === null) return;
    this.figures.wrongFor(now - truth.wrongSince, this.#options.disturbed(truth.wrongSince, false), truth.loss);
    truth.wrongSince = null;
  }

  #saidWhileGone(truth: UserTruth, to: State, now: number): void {
    const decider = this.#decider(truth);
    if (decider === null || to !== 'offline') return;
    const [id, device] = decider;
    // Said before, taken back, and said again, while they were gone all along.
    if (truth.told) {
      this.figures.flashed(this.#options.disturbed(device.since, true));
      return;
    }
    truth.told = true;
    const from = device.why === 'ttl' ? device.since + device.ttl_ms : device.since;
    const disturbed = this.#disturbed(truth, device);
    this.figures.detected(device.why, Math.max(0, now - from), disturbed, this.#options.lossOf(id));
    if (!disturbed) this.#checkLate(truth, now, 'said offline');
  }

  /** Back, without offline ever said: missed, where there was time enough to say it. */
  #closeAbsence(truth: UserTruth, now: number): void {
    const device = this.#decider(truth)?.[1];
    // Offline is what is said, though not anew: that they had been there was never heard of (a gateway died with their hello).
    if (device === undefined || truth.told || truth.said === 'offline' || device.since === now) return;
    const late = now - this.due(device);
    const disturbed = this.#disturbed(truth, device);
    if (late > LATE_MS) this.figures.missed(disturbed);
    if (!disturbed) this.#checkLate(truth, now, 'never said offline, and came back');
  }

  /** Later than the contract's bound, from when a gateway last had something of them (TCP may bring it late). */
  #checkLate(truth: UserTruth, now: number, what: string): void {
    const due = Math.max(...[...truth.devices].map(([id, device]) => this.#dueAsHeard(id, device)));
    if (now - due <= LATE_MS) return;
    const why = [...truth.devices].map(([id, { why, since }]) => `${id} ${why} since ${Math.round(since)} ms`).join(', ');
    const since = Math.min(...this.#holding(truth, due).map((device) => device.since));
    this.#options.late(since, `${truth.key} was ${what} ${Math.round(now - due)} ms after it was due (${why})`);
  }
}
