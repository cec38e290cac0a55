/**
 * Which device this is, and in which session it speaks.
 *
 * A tab is a device: its id is kept for as long as the tab lives, so that a reload is the same device. A session is one
 * run; coming back after a break is the same session, and keeps what it said.
 *
 * **Replaced** (4409): another connection speaks for the device. A copied tab has the id of the one that it was copied from, so
 * an id of our own making is made anew. One that the app gave stays: the client comes back in a new session, which
 * takes the device from whoever has it. Two that do so would take it from each other for ever: after REPLACED_MAX times
 * within REPLACED_MS it gives up.
 */
import type { Clock } from './clock.ts';

const KEY = 'presence.device';
const REPLACED_MAX = 3;
const REPLACED_MS = 60_000;

interface Storage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export class Device {
  readonly #random: () => number;
  readonly #clock: Clock;
  readonly #given: boolean;
  readonly #replaced: number[] = [];
  device_id: string;
  session_id: string;
  /** Of this session. */
  seq = 0;

  constructor(
    options: { readonly deviceId?: string | undefined; readonly sessionId?: string | undefined },
    { clock, random }: { readonly clock: Clock; readonly random: () => number },
  ) {
    this.#random = random;
    this.#clock = clock;
    this.#given = options.deviceId !== undefined;
    this.device_id = options.deviceId ?? kept() ?? this.#make();
    this.session_id = options.sessionId ?? this.#id();
  }

  /** Becomes another session; false where that has gone on for too long. */
  replaced(): boolean {
    const now = this.#clock.now();
    this.#replaced.push(now);
    if (this.#replaced.length > REPLACED_MAX) this.#replaced.shift();
    this.session_id = this.#id();
    this.seq = 0;
    if (!this.#given) this.device_id = this.#make();
    return this.#replaced.length < REPLACED_MAX || now - (this.#replaced[0] as number) > REPLACED_MS;
  }

  #make(): string {
    const id = this.#id();
    try {
      storage()?.setItem(KEY, id);
    } catch {
      // Full, or forbidden: then a reload is another device.
    }
    return id;
  }

  /** About 100 bits. */
  #id(): string {
    return Array.from({ length: 4 }, () => Math.floor(this.#random() * 2 ** 26).toString(36)).join('-');
  }
}

const storage = (): Storage | undefined => (globalThis as { sessionStorage?: Storage }).sessionStorage;

function kept(): string | null {
  try {
    return storage()?.getItem(KEY) ?? null;
  } catch {
    return null;
  }
}
