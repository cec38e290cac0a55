/**
 * Who waits for the topology's word on a takeover.
 *
 * **Model.** A hello in a session of its own claims a device that another connection of this gateway holds. Only the
 * topology knows whether it may: the session could be one that was itself replaced, perhaps through another
 * gateway. So the holder is kept, waiting, until the topology tells one of the two `lost`: the one that waits is then
 * refused, or has its device back. In the topology's eyes it held it all along, so its watchers see nothing of it.
 *
 * **Limit.** One entry a connection, and none for longer than WORD_MS: a holder of whom nothing was heard by then is
 * refused. Metric: presence_gateway_takeovers_waiting_count.
 */
import { gauge } from '../base/metrics.ts';
import type { Speaker } from './devices-speaker.ts';

/** A word to one of them waits for the partition's next transaction: a second or two where nothing else happens. */
export const WORD_MS = 10_000;

const waitingGauge = gauge(
  'presence_gateway_takeovers_waiting_count',
  "Connections that wait for the topology's word on who speaks for a device.",
);

export class Takeovers {
  /** By device key; the last to be displaced comes last. */
  readonly #waiting = new Map<string, Speaker[]>();

  wait(speaker: Speaker, loop: number): void {
    speaker.waitsLoop = loop;
    const others = this.#waiting.get(speaker.key);
    if (others === undefined) this.#waiting.set(speaker.key, [speaker]);
    else others.push(speaker);
    waitingGauge.set(this.#waiting.size);
  }

  end(speaker: Speaker): void {
    const left = this.#waiting.get(speaker.key)?.filter((other) => other !== speaker) ?? [];
    if (left.length === 0) this.#waiting.delete(speaker.key);
    else this.#waiting.set(speaker.key, left);
    waitingGauge.set(this.#waiting.size);
  }

  of(key: string, connectionId: string): Speaker | undefined {
    return this.#waiting.get(key)?.find((speaker) => speaker.connection.id === connectionId);
  }

  /** Who held it last. */
  last(key: string): Speaker | undefined {
    return this.#waiting.get(key)?.at(-1);
  }
}
