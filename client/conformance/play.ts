/** Plays one scenario against one client process, which speaks JSON lines: commands on stdin, events on stdout. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fits, type Pattern, type Scenario, type Step } from './scenario.ts';
import { type Frame, type Peer, ScriptedServer } from './server.ts';

/** Why a scenario was not passed: the step, and what was there instead. */
export class NotConforming extends Error {}

export interface PlayOptions {
  /** Run in a shell. */
  readonly command: string;
  /** For all that has no time of its own, ms. Default 10,000. */
  readonly within_ms?: number;
}

const WITHIN_MS = 10_000;
/** For a client's process to start. */
const READY_MS = 60_000;

/** Rejects with NotConforming where the client does not do what it should. */
export async function play(scenario: Scenario, options: PlayOptions): Promise<void> {
  const player = new Player(options);
  try {
    await player.start();
    for (const [index, step] of scenario.steps.entries()) {
      await player.step(step).catch((error: unknown) => {
        const place = `${scenario.name}, step ${index + 1}: ${JSON.stringify(step)}`;
        throw new NotConforming(`${place}\n  ${(error as Error).message}`);
      });
    }
  } catch (error) {
    throw error instanceof NotConforming ? error : new NotConforming(`${scenario.name}: ${(error as Error).message}`);
  } finally {
    await player.end();
  }
}

class Player {
  readonly #options: PlayOptions;
  readonly #server = new ScriptedServer();
  readonly #events: Pattern[] = [];
  #url = '';
  #child: ChildProcess | undefined;
  #ended = false;
  #said = '';
  #peer: Peer | undefined;
  #accepted = 0;
  /** When the last thing was done to which `not_before_ms` refers. */
  #since = 0;
  #wake: () => void = () => {};

  constructor(options: PlayOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#url = await this.#server.listen();
    this.#server.heard = () => this.#wake();
    const child = spawn(this.#options.command, {
      shell: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
    });
    this.#child = child;
    child.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    child.stdin.on('error', () => {});
    child.stderr.on('data', (data) => {
      this.#said = (this.#said + String(data)).slice(-2_000);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      try {
        this.#events.push(JSON.parse(line) as Pattern);
      } catch {
        this.#said = `${this.#said}\nno JSON on stdout: ${line}`.slice(-2_000);
      }
      this.#wake();
    });
    await this.#take(this.#events, { event: 'ready' }, 'event', READY_MS);
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && !this.#ended) {
      const closed = new Promise((done) => child.once('close', done));
      try {
        // The shell and what it started: a group of its own.
        if (child.pid !== undefined) process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
      await closed;
    }
    await this.#server.close();
  }

  async step(step: Step): Promise<void> {
    if ('tell' in step) this.#tell(step.tell);
    else if ('event' in step) await this.#take(this.#events, step.event, 'event', step.within_ms);
    else if ('picture' in step) await this.#picture(step.picture);
    else if ('quiet' in step) await this.#quiet(step.quiet);
    else if ('accept' in step) await this.#accept(step.accept);
    else if ('refuse' in step) this.#server.refusal = { ...step.refuse, until: performance.now() + step.refuse.for_ms };
    else if ('attempts' in step) await this.#attempts(step.attempts);
    else if ('no_connection' in step) await this.#noConnection(step.no_connection.for_ms);
    else await this.#onPeer(step);
  }

  async #onPeer(step: Step): Promise<void> {
    const peer = this.#peer;
    if (peer === undefined) throw new Error('the scenario accepts no connection before this step');
    if ('expect' in step) await this.#take(peer.frames, step.expect, 'frame', step.within_ms);
    else if ('watching' in step) {
      const wanted = [...step.watching].sort().join();
      await this.#until(
        () => [...peer.watching].sort().join() === wanted,
        () => `it watches ${[...peer.watching].join()}`,
      );
    } else if ('send' in step) peer.say(step.send);
    else if ('send_text' in step) peer.say(step.send_text);
    else if ('forget_watches' in step) peer.watching.clear();
    else if ('silence' in step) peer.silent = true;
    else if ('closed' in step) {
      await this.#until(
        () => peer.closedWith === step.closed.code,
        () => `it was closed with ${peer.closedWith}`,
      );
    } else if ('close' in step) peer.close(step.close.code);
    else if ('break' in step) peer.break();
    this.#since = performance.now();
  }

  #tell(command: Readonly<Record<string, unknown>>): void {
    const { do: name, token } = command;
    const fresh = typeof token === 'object' && token !== null ? { token: jwtOf(token as Pattern) } : {};
    const whole = name === 'connect' ? { url: this.#url, token: 't0', device_id: 'd1', session_id: 's1', ...command } : command;
    this.#child?.stdin?.write(`${JSON.stringify({ ...whole, ...fresh })}\n`);
    this.#since = performance.now();
  }

  async #accept({ protocols, not_before_ms = 0, within_ms }: Extract<Step, { accept: unknown }>['accept']): Promise<void> {
    const since = this.#since;
    await this.#until(
      () => this.#server.peers.length > this.#accepted,
      () => 'it does not connect',
      within_ms,
    );
    const peer = this.#server.peers[this.#accepted++] as Peer;
    this.#peer = peer;
    const after = peer.at - since;
    if (after < not_before_ms) throw new Error(`it connected after ${Math.round(after)} ms`);
    if (protocols !== undefined && !fits(protocols, peer.protocols)) throw new Error(`it offered ${peer.protocols.join(', ')}`);
    this.#since = performance.now();
  }

  /** Asks until the answer is as it should be. */
  async #picture(expected: readonly Pattern[]): Promise<void> {
    const { within_ms = WITHIN_MS } = this.#options;
    const deadline = performance.now() + within_ms;
    for (;;) {
      this.#tell({ do: 'report' });
      const { presences } = await this.#take(this.#events, { event: 'report' }, 'event');
      if (fits(expected, presences)) return;
      if (performance.now() > deadline) throw new Error(`it reports ${JSON.stringify(presences)}`);
      await pause(50);
    }
  }

  /** No such event from now on; no such frame among those not taken yet. */
  async #quiet({ event, frame, for_ms }: Extract<Step, { quiet: unknown }>['quiet']): Promise<void> {
    this.#events.length = 0;
    await pause(for_ms);
    const events = event === undefined ? [] : this.#events.filter((one) => fits(event, one));
    const frames = frame === undefined ? [] : (this.#peer?.frames ?? []).filter((one) => fits(frame, one));
    if (events.length + frames.length > 0) throw new Error(`there was ${JSON.stringify([...events, ...frames])}`);
  }

  async #attempts({ from, to, within_ms }: Extract<Step, { attempts: unknown }>['attempts']): Promise<void> {
    await pause(this.#since + within_ms - performance.now());
    const { length } = this.#server.attempts;
    if (length < from || length > to) throw new Error(`there were ${length} attempts`);
  }

  async #noConnection(for_ms: number): Promise<void> {
    const before = this.#server.attempts.length;
    await pause(for_ms);
    if (this.#server.attempts.length > before) throw new Error('it connected');
  }

  /** The first that fits of those not taken yet; what was before it stays. */
  async #take<T extends Pattern | Frame>(from: T[], pattern: Pattern, what: string, within_ms?: number): Promise<T> {
    const at = (): number => from.findIndex((one) => fits(pattern, one));
    await this.#until(
      () => at() >= 0,
      () => `no such ${what}; not taken yet: ${JSON.stringify(from.slice(-10))}`,
      within_ms,
    );
    return from.splice(at(), 1)[0] as T;
  }

  async #until(holds: () => boolean, otherwise: () => string, within_ms = this.#options.within_ms ?? WITHIN_MS): Promise<void> {
    const deadline = performance.now() + within_ms;
    while (!holds()) {
      const left = deadline - performance.now();
      if (this.#ended) throw new Error(`the client's process has ended. ${this.#said}`);
      if (left <= 0) throw new Error(`${otherwise()}${this.#said === '' ? '' : `; stderr: ${this.#said}`}`);
      await new Promise<void>((done) => {
        const timer = setTimeout(done, left);
        this.#wake = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, Math.max(0, ms)));

/** A JWT in form: nobody checks its signature. */
function jwtOf({ jwt_ends_in_s, name }: Pattern): string {
  const now = Math.floor(Date.now() / 1_000);
  const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
  return [part({ alg: 'HS256' }), part({ sub: 'ada', jti: name, iat: now, exp: now + Number(jwt_ends_in_s) }), 'x'].join('.');
}
