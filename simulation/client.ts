/**
 * A client with a stream: an app, or a tab of a browser.
 *
 * **Model.** It wants to be online from `comes_ms` on, but for its acts. It keeps one socket, says hello when welcomed (with its
 * session, and the state that its user chose), answers pings, and when the socket closes, or it has heard nothing for its
 * patience, tries again: at once, then with pauses that double. Its timers run by its own clock (`clock_rate`), not at all while
 * its machine sleeps, and only now and then while its tab is hidden.
 *
 * It is *there* (truth.ts) from its hello on, until an act or a fault takes it away; and again when a beat of
 * it reaches a gateway that the log hears.
 */
import type { DeviceBeats } from './beats.ts';
import type { Gone } from './figures.ts';
import type { Running } from './gateway.ts';
import { userData } from './gateway.ts';
import type { Host } from './host.ts';
import { BROKEN, type ClientEvents, Socket } from './socket.ts';
import type { Act, ClientStory } from './story.ts';
import type { World } from './world.ts';

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;
/** How long a client waits for a handshake. */
const HANDSHAKE_MS = 5_000;
/** The first retransmission timeout of a new connection (RFC 6298). */
const FIRST_RTO_MS = 1_000;
/** A tab asks for an ack this often, since it does not see pings. */
const ACK_EVERY_MS = 20_000;
/** A tab's patience is with acks. */
const ACK_PATIENCE_MS = 10_000;

export class StreamClient {
  readonly story: ClientStory;
  readonly host: Host;
  readonly #world: World;
  readonly #beats: DeviceBeats;
  #socket: Socket | null = null;
  #gateway: Running | null = null;
  #wanted = false;
  #greeted = false;
  /** As truth has it. */
  #there = false;
  /** How many it has had. */
  #sockets = 0;
  #connecting = 0;
  #failures = 0;
  #session = 0;
  #seq = 0;
  #state: string | null = null;
  #heard = 0;
  #asleep = false;
  #pathless = 0;
  #stalled = 0;
  /** When its last absence (sleep, stall, no path) was over. */
  #backAt = 0;
  #throttle_ms = 0;

  constructor(world: World, story: ClientStory) {
    this.#world = world;
    this.story = story;
    this.host = world.scheduler.host(`client-${story.index}`);
    this.#beats = world.beats.of(story.device);
    const { scheduler } = world;
    scheduler.after(this.host, story.comes_ms, () => this.#come());
    // By the world, not by the client: an act comes when it comes, whatever the client does.
    for (const act of story.acts) scheduler.after(world.host, act.at, () => this.#act(act));
  }

  get socket(): Socket | null {
    return this.#socket;
  }
  get gateway(): Running | null {
    return this.#gateway;
  }
  /** Runs, and its packets get through. */
  get living(): boolean {
    return this.#wanted && !this.#asleep && this.#stalled === 0 && this.#pathless === 0;
  }

  /** Its gateway no longer hears it, or is no longer heard. */
  unheard(why: Gone): void {
    this.#gone(why);
  }

  // What happens to it

  #act(act: Act): void {
    switch (act.act) {
      case 'leaves':
        if (this.living) this.#onOwn(() => this.#leave(act.how, act.for_ms, act.fresh));
        break;
      case 'is killed':
        this.#end(act.for_ms, (socket) => socket.leave(BROKEN));
        break;
      case 'vanishes':
        this.#end(act.for_ms, (socket) => socket.vanish());
        break;
      case 'sleeps':
        this.#sleep(act.for_ms);
        break;
      case 'stalls':
        this.#stall(act.for_ms);
        break;
      case 'has no path':
        this.#losePath(act.for_ms);
        break;
      case 'is rebound':
        this.#rebind();
        break;
      case 'roams':
        this.#rebind();
        this.#onOwn(() => this.#reconnect());
        break;
      case 'is hidden':
        this.#throttle_ms = act.every_ms;
        this.#later(act.for_ms, () => {
          this.#throttle_ms = 0;
        });
        break;
      case 'says':
        this.#onOwn(() => this.#say(act.state));
        break;
    }
  }

  #losePath(for_ms: number): void {
    this.#pathless += 1;
    this.#gone('silent');
    this.#later(for_ms, () => {
      this.#pathless -= 1;
      this.#backAt = this.#world.scheduler.now;
    });
  }

  #sleep(for_ms: number): void {
    if (this.#asleep) return;
    this.#asleep = true;
    this.host.stalledUntil = Math.max(this.host.stalledUntil, this.#world.scheduler.now + for_ms);
    this.#gone('silent');
    this.#later(for_ms, () => {
      this.#asleep = false;
      this.#backAt = this.#world.scheduler.now;
    });
  }

  #stall(for_ms: number): void {
    this.#stalled += 1;
    this.host.stalledUntil = Math.max(this.host.stalledUntil, this.#world.scheduler.now + for_ms);
    this.#gone('silent');
    this.#later(for_ms, () => {
      this.#stalled -= 1;
      this.#backAt = this.#world.scheduler.now;
    });
  }

  #rebind(): void {
    if (this.#socket === null) return;
    this.#socket.rebound = true;
    this.#gone('silent');
  }

  /** The process or the machine ends; another begins later, in a new session. */
  #end(for_ms: number, how: (socket: Socket) => void): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    this.#connecting += 1;
    if (this.#socket !== null) how(this.#socket);
    this.#gone('silent');
    this.#forget();
    this.#later(for_ms, () => {
      this.#session += 1;
      this.#seq = 0;
      this.#onOwn(() => this.#come());
    });
  }

  #leave(how: 'goodbye' | 'close', for_ms: number, fresh: boolean): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    this.#connecting += 1;
    if (how === 'goodbye') this.#socket?.say({ type: 'goodbye' });
    this.#socket?.leave(1000);
    this.#gone('clean');
    this.#forget();
    if (fresh) {
      this.#session += 1;
      this.#seq = 0;
    }
    this.#world.scheduler.after(this.host, for_ms, () => this.#come());
  }

  // What it does

  #come(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#failures = 0;
    this.#dial();
  }

  #reconnect(): void {
    if (!this.#wanted) return;
    this.#socket?.leave(BROKEN);
    this.#gone('silent');
    this.#forget();
    this.#dial();
  }

  #dial(): void {
    if (!this.#wanted || this.#socket !== null) return;
    const attempt = ++this.#connecting;
    const { path } = this.story;
    const place = this.#world.route(this.host.random);
    const gateway = place.serving;
    const reached = place.power && this.#pathless === 0;
    const giveUp = (ms: number): void =>
      this.#timer(ms, () => {
        if (attempt === this.#connecting) this.#retry();
      });
    if (!reached || gateway === null) {
      giveUp(reached ? 2 * path.latency_ms : HANDSHAKE_MS);
      return;
    }
    let takes = 0;
    // TCP, TLS, upgrade.
    for (let trip = 0; trip < 3; trip++) {
      takes += 2 * path.latency_ms;
      for (let tries = 0; this.host.random.chance(2 * path.loss) && tries < 4; tries++) takes += FIRST_RTO_MS * 2 ** tries;
    }
    if (takes > HANDSHAKE_MS) {
      giveUp(HANDSHAKE_MS);
      return;
    }
    this.#world.scheduler.send(this.host, takes, () => {
      if (attempt !== this.#connecting || !this.#wanted) return;
      if (gateway.ready && this.#pathless === 0) this.#open(gateway);
      else this.#retry();
    });
  }

  #open(gateway: Running): void {
    const { scheduler } = this.#world;
    const { story } = this;
    const place = ++this.#sockets;
    const socket: Socket = new Socket({
      scheduler,
      client: this.host,
      gateway: gateway.host,
      kernel: this.#world.host,
      path: story.path,
      random: this.host.random,
      blocked: () => this.#asleep || this.#pathless > 0 || socket.rebound,
      userData: userData(story.user),
      clientEvents: this.#eventsOf(() => socket),
      serverEvents: gateway.events as NonNullable<Running['events']>,
      beaten: (pinged) => this.#beaten(socket, gateway, place, pinged),
      left: () => {
        this.#beats.left = scheduler.now;
      },
      ended: () => gateway.sockets.delete(socket),
    });
    gateway.sockets.add(socket);
    this.#socket = socket;
    this.#gateway = gateway;
    this.#greeted = false;
    this.#heard = scheduler.now;
    socket.accept();
    this.#watch(socket);
  }

  #eventsOf(socket: () => Socket): ClientEvents {
    return {
      opened: () => {},
      frame: (text) => {
        if (socket() === this.#socket) this.#frame(JSON.parse(text));
      },
      pinged: () => {
        if (this.story.kind === 'app') this.#heard = this.#world.scheduler.now;
      },
      closed: () => {
        if (socket() !== this.#socket) return;
        this.#gone('silent');
        this.#forget();
        if (this.#wanted) this.#retry();
      },
    };
  }

  #frame(frame: { readonly type: string; readonly code?: string; readonly reconnect_in_ms?: number }): void {
    this.#heard = this.#world.scheduler.now;
    if (frame.type === 'welcome') this.#hello();
    else if (frame.type === 'error' && frame.code === 'session_replaced') {
      this.#session += 1;
      this.#seq = 0;
    } else if (frame.type === 'drain') this.#timer(frame.reconnect_in_ms ?? 0, () => this.#reconnect());
  }

  #hello(): void {
    this.#failures = 0;
    this.#greeted = true;
    const { device } = this.story;
    const state = this.#state === null ? {} : { state: this.#state };
    this.#socket?.say({ type: 'hello', device_id: device, session_id: `${device}-${this.#session}`, ...state, ...this.#trace() });
    if (this.living && this.#gateway?.heard === true) this.#isThere();
    if (this.story.kind === 'tab') this.#askAck(this.#socket as Socket);
  }

  #say(state: string): void {
    this.#state = state;
    if (!this.#greeted || this.#socket === null) return;
    const frame = { type: 'heartbeat', seq: ++this.#seq, state, source: 'app', ...this.#trace() };
    this.#socket.say(frame);
    // Said twice, as a client does that did not see its own send succeed.
    if (this.host.random.chance(0.2)) this.#socket.say(frame);
  }

  #askAck(socket: Socket): void {
    this.#timer(ACK_EVERY_MS, () => {
      if (this.#socket !== socket) return;
      socket.say({ type: 'heartbeat', seq: ++this.#seq, ack: true, ...this.#trace() });
      this.#askAck(socket);
    });
  }

  /** Gives the socket up when it has been quiet for too long. */
  #watch(socket: Socket): void {
    const patience = this.story.kind === 'app' ? this.story.patience_ms : ACK_EVERY_MS + ACK_PATIENCE_MS;
    const left = this.#heard + patience - this.#world.scheduler.now;
    this.#timer(Math.max(left, 10), () => {
      if (this.#socket !== socket) return;
      if (this.#world.scheduler.now - this.#heard < patience) this.#watch(socket);
      else this.#reconnect();
    });
  }

  #retry(): void {
    this.#connecting += 1;
    const pause = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer(pause * this.host.random.between(0.5, 1), () => this.#dial());
  }

  /**
   * A pong or message of it was read by its gateway. After an absence only the pong to a ping since then says that it is back:
   * both ways are open. (A way on which segments were lost for long opens late: TCP's pauses have doubled.)
   */
  #beaten(socket: Socket, gateway: Running, place: number, pinged: number | null): void {
    this.#comesBack(socket, gateway, pinged);
    this.#beats.note(this.#world.scheduler.now, place, pinged === null);
  }

  #comesBack(socket: Socket, gateway: Running, pinged: number | null): void {
    if (this.#there || pinged === null || pinged < this.#backAt) return;
    if (socket !== this.#socket || !this.#greeted) return;
    if (this.living && socket.clientOpen && gateway.heard && !socket.rebound) this.#isThere();
  }

  #isThere(): void {
    this.#there = true;
    this.#world.truth.there(this.story.user, this.story.device);
  }

  #gone(why: Gone): void {
    this.#there = false;
    this.#world.truth.gone(this.story.user, this.story.device, why);
  }

  #forget(): void {
    this.#socket = null;
    this.#gateway = null;
    this.#greeted = false;
  }

  /** A trace of its own, so that a diff can be told to whom it is due. */
  #trace(): { readonly traceparent: string } {
    return { traceparent: `00-${this.host.random.hex(16)}-${this.host.random.hex(8)}-01` };
  }

  /** By the client's clock; a hidden tab's at the next multiple of its throttle. */
  #timer(ms: number, run: () => void): void {
    const { scheduler } = this.#world;
    let wait = ms / this.story.clock_rate;
    if (this.#throttle_ms > 0) {
      const due = scheduler.now + wait;
      wait = Math.ceil(due / this.#throttle_ms) * this.#throttle_ms - scheduler.now;
    }
    scheduler.after(this.host, wait, run);
  }

  #later(ms: number, run: () => void): void {
    this.#world.scheduler.after(this.#world.host, ms, run);
  }

  #onOwn(run: () => void): void {
    this.#world.scheduler.send(this.host, 0, run);
  }
}
