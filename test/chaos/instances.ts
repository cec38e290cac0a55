/**
 * The instances of the topology in a round: processes in numbered slots, each with a name and a log of its own for as long
 * as the leg lasts. Faults of one slot wait for each other; those of different slots run side by side.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Role, startRole } from '../load/cluster.ts';
import type { KafkaPart } from '../stack/index.ts';
import type { Fault } from './plan.ts';

export interface InstancesOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly kafka: KafkaPart;
  /** Where their logs go, and their snapshots, if they have any. */
  readonly folder: string;
  readonly snapshots: boolean;
  readonly say: (line: string) => void;
}

/** A fault that was done, and when (wall clock, which is the broker's too). */
export interface Done {
  readonly fault: Fault;
  readonly at: number;
  /** When what was killed, paused or stopped had been started again, or went on. */
  readonly ended: number;
}

export class Instances {
  readonly #options: InstancesOptions;
  readonly #slots: Role[] = [];
  readonly #turns = new Map<string, Promise<unknown>>();
  /** How many of them run in the present round; the others were stopped. */
  #running = 0;

  constructor(options: InstancesOptions) {
    this.#options = options;
  }

  /** By slot. */
  get logFiles(): readonly string[] {
    return this.#slots.map((role) => role.logFile);
  }

  /** Starts some or stops some, in order, side by side. */
  async resize(count: number): Promise<void> {
    const slots = Array.from({ length: Math.max(count, this.#running) }, (_, slot) => slot);
    const changed = slots.filter((slot) => slot >= Math.min(count, this.#running));
    const grows = count > this.#running;
    this.#running = count;
    await Promise.all(changed.map((slot) => (grows ? this.#start(slot) : this.#slots[slot]?.stop())));
  }

  /** Resolves when it is over: what was hurt runs again and is ready. */
  async inflict(fault: Fault): Promise<Done> {
    const { kafka, say } = this.#options;
    const at = { time: 0 };
    const begin = (): void => {
      at.time = Date.now();
      say(`  ${fault.kind}${'slot' in fault ? ` instance ${fault.slot}` : ''}`);
    };
    switch (fault.kind) {
      case 'join':
        await this.#inTurn('join', async () => {
          begin();
          this.#running += 1;
          await this.#start(this.#running - 1);
        });
        break;
      case 'broker_stop':
      case 'broker_kill':
        await this.#inTurn('broker', async () => {
          begin();
          await (fault.kind === 'broker_stop' ? kafka.stop() : kafka.kill());
          await sleep(fault.for_ms);
          await kafka.restart();
        });
        break;
      default:
        await this.#inTurn(`slot ${fault.slot}`, async () => {
          const role = this.#slots[fault.slot] as Role;
          begin();
          if (fault.kind === 'stop') await role.stop();
          else if (fault.kind === 'kill') await role.kill();
          else await role.pause();
          await sleep(fault.for_ms);
          await (fault.kind === 'pause' ? role.resume() : role.restart());
        });
    }
    return { fault, at: at.time, ended: Date.now() };
  }

  /** Stops all of them in order. */
  async stop(): Promise<void> {
    this.#running = 0;
    await Promise.all(this.#slots.map((role) => role.stop()));
  }

  async kill(): Promise<void> {
    await Promise.all(this.#slots.map((role) => role.kill()));
  }

  async #start(slot: number): Promise<void> {
    const { folder, snapshots } = this.#options;
    const there = this.#slots[slot];
    if (there !== undefined) return there.restart();
    const name = `instance-${slot}`;
    const env = {
      ...this.#options.env,
      PRESENCE_INSTANCE: name,
      ...(snapshots ? { STATE_DIR: join(folder, `${name}-snapshots`) } : {}),
    };
    this.#slots[slot] = await startRole({ role: 'topology', name, env, logs: folder });
  }

  /** One after the other, by name. */
  #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const done = (this.#turns.get(name) ?? Promise.resolve()).then(work);
    this.#turns.set(
      name,
      done.catch(() => {}),
    );
    return done;
  }
}
