/**
 * A background task: no stream, but an HTTP heartbeat now and then, that speaks for its device for three times as long. It tries
 * again (the same seq: a duplicate, where only the answer was lost) at whatever gateway it is sent to. It is there from
 * the moment a gateway that the log hears has its beat, for its ttl.
 */
import type { Event } from './event-queue.ts';
import type { Host } from './host.ts';
import type { Act, ClientStory } from './story.ts';
import type { World } from './world.ts';

const RETRY_MS = 1_000;
const ANSWER_MS = 5_000;

export class BackgroundClient {
  readonly story: ClientStory;
  readonly host: Host;
  readonly #world: World;
  #wanted = false;
  #session = 0;
  #seq = 0;
  #offUntil = 0;
  #lapse: Event | null = null;
  #loop = 0;
  #taken_seq = 0;
  #came = { seq: 0, session: 0, at: 0 };

  constructor(world: World, story: ClientStory) {
    this.#world = world;
    this.story = story;
    this.host = world.scheduler.host(`client-${story.index}`);
    world.scheduler.after(this.host, story.comes_ms, () => this.#come());
    for (const act of story.acts) world.scheduler.after(world.host, act.at, () => this.#act(act));
  }

  get #ttl(): number {
    return 3 * this.story.beats_ms;
  }

  /** It knows one thing only: to be off for a while, whatever it is that keeps it. */
  #act(act: Act): void {
    const { scheduler } = this.#world;
    if (!('for_ms' in act)) return;
    if (act.act === 'stalls' || act.act === 'sleeps')
      this.host.stalledUntil = Math.max(this.host.stalledUntil, scheduler.now + act.for_ms);
    else if (act.act === 'has no path') this.#offUntil = Math.max(this.#offUntil, scheduler.now + act.for_ms);
    else if (act.act !== 'is hidden') {
      this.#wanted = false;
      scheduler.after(this.host, act.for_ms, () => {
        this.#session += 1;
        this.#seq = 0;
        this.#taken_seq = 0;
        this.#come();
      });
    }
  }

  #come(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#beat(++this.#loop);
  }

  #beat(loop: number): void {
    if (!this.#wanted || loop !== this.#loop) return;
    this.#seq += 1;
    this.#post(this.#seq, this.#session);
    this.#world.scheduler.after(this.host, this.story.beats_ms / this.story.clock_rate, () => this.#beat(loop));
  }

  #post(seq: number, session: number): void {
    const { scheduler } = this.#world;
    const { path, device } = this.story;
    if (!this.#wanted || seq !== this.#seq || session !== this.#session) return;
    const again = (ms: number): void => void scheduler.after(this.host, ms, () => this.#post(seq, session));
    const place = this.#world.route(this.host.random);
    const reached = scheduler.now >= this.#offUntil && place.power;
    const gateway = place.serving;
    if (!reached || gateway === null) {
      again(reached ? RETRY_MS : ANSWER_MS);
      return;
    }
    let trip = path.latency_ms + path.jitter_ms * this.host.random.next();
    for (let tries = 0; this.host.random.chance(path.loss) && tries < 5; tries++) trip += path.rto_ms * 2 ** tries;
    let answered = false;
    scheduler.send(gateway.host, trip, () => {
      // A request that was not read yet dies with its client (its kernel resets the connection).
      if (!gateway.ready || session !== this.#session) return;
      // Of several attempts the log may have taken the first, whichever is answered.
      if (seq !== this.#came.seq || session !== this.#came.session) this.#came = { seq, session, at: scheduler.now };
      const came = this.#came.at;
      const sent = gateway.outbox.send(
        {
          kind: 'heartbeat',
          user_id: this.story.user,
          device_id: device,
          session_id: `${device}-${session}`,
          seq,
          ttl_ms: this.#ttl,
        },
        { traceparent: `00-${this.host.random.hex(16)}-${this.host.random.hex(8)}-01` },
      );
      sent.then(
        () => this.#taken(seq, session, came, this.host.random.chance(path.loss) ? null : () => (answered = true)),
        () => {},
      );
    });
    scheduler.after(this.host, ANSWER_MS, () => {
      if (!answered) this.#post(seq, session);
    });
  }

  /** The log has it, since some time after it came to the gateway: the device is there for its ttl from then on. */
  #taken(seq: number, session: number, came: number, answer: (() => void) | null): void {
    const { scheduler, truth, beats } = this.#world;
    const { user, device, path } = this.story;
    if (answer !== null) scheduler.send(this.host, path.latency_ms, answer);
    // An old one, or one sent again: it says nothing anew.
    if (seq !== this.#seq || session !== this.#session || this.#taken_seq === seq) return;
    this.#taken_seq = seq;
    beats.of(device).note(came);
    const left = came + this.#ttl - scheduler.now;
    if (left <= 0) return;
    truth.there(user, device, this.#ttl);
    if (this.#lapse !== null) scheduler.cancel(this.#lapse);
    this.#lapse = scheduler.after(this.#world.host, left, () => truth.gone(user, device, 'ttl', came));
  }
}
