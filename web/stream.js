/**
 * A connection to /presence/stream that keeps itself alive: the protocol's client in one file, without anything of
 * the page. (gateway/ws/protocol.ts is the protocol.)
 *
 * **Model.** `idle` until `connect`, then `connecting`, `open` after the welcome, `waiting` between attempts, `refused`
 * when coming back would be of no use. After a break it comes back with pauses that grow from 0.25 s to 10 s, and
 * resumes where it was by the last cursor: each watched user that changed meanwhile comes once.
 *
 * A tab is a device. Its id is kept as long as the tab lives; its session is new with each load of the page. A copied
 * tab has the same id, and is told so (4409): it then becomes a device of its own.
 */

const BEAT_MS = 1_000;
const BACKOFF = { first: 250, max: 10_000 };
/** What may stand in a subprotocol. The gateway unescapes colon and at; a token with other characters goes into the address. */
const PLAIN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

const randomId = (prefix) =>
  `${prefix}-${Array.from(crypto.getRandomValues(new Uint8Array(9)), (n) => n.toString(36).padStart(2, '0')).join('')}`;

/** Dispatches `state` ({kind, detail}), `snapshot`, `diffs`, `fault`: each a CustomEvent with the frame as detail. */
export class PresenceStream extends EventTarget {
  #token = '';
  #deviceKey = '';
  #session = randomId('s');
  #seq = 0;
  /** What this tab says; null: it said goodbye. */
  #says = { state: undefined };
  #watched = new Set();
  #cursor = null;
  #resumed = false;
  #socket = null;
  #retry = null;
  #attempts = 0;
  #kind = 'idle';

  constructor() {
    super();
    setInterval(() => this.beat(), BEAT_MS);
    // Timers of a hidden tab sleep (its answers to the server's pings go on); say so at once when it is looked at again.
    document.addEventListener('visibilitychange', () => this.beat());
    addEventListener('online', () => this.#kind === 'waiting' && this.#open());
  }

  get kind() {
    return this.#kind;
  }

  /** Connects as whoever `token` speaks for; `name` only keeps the tab's devices of different users apart. */
  connect(token, name) {
    this.close();
    this.#token = token;
    this.#deviceKey = `presence.device.${name}`;
    this.#says = { state: undefined };
    this.#cursor = null;
    this.#attempts = 0;
    this.#open();
  }

  /** A clean leave: others see it after the grace of a second. */
  close() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#watched.clear();
    this.#become('idle');
  }

  /** `offline` is a goodbye: this tab speaks for nobody until it says something else. */
  say(state) {
    if (state === 'offline') {
      this.#says = null;
      this.#send({ type: 'goodbye' });
    } else {
      const gone = this.#says === null;
      this.#says = { state };
      if (gone) this.#hello();
      else this.#send({ type: 'heartbeat', seq: ++this.#seq, state });
    }
  }

  beat() {
    if (this.#kind === 'open' && this.#says !== null) this.#send({ type: 'heartbeat', seq: ++this.#seq });
  }

  watch(ids) {
    const fresh = ids.filter((id) => !this.#watched.has(id));
    for (const id of fresh) this.#watched.add(id);
    if (fresh.length > 0) this.#send({ type: 'subscribe', user_ids: fresh });
  }

  unwatch(id) {
    if (this.#watched.delete(id)) this.#send({ type: 'unsubscribe', user_ids: [id] });
  }

  #deviceId() {
    let id = sessionStorage.getItem(this.#deviceKey);
    if (id === null) sessionStorage.setItem(this.#deviceKey, (id = randomId('tab')));
    return id;
  }

  #open() {
    clearTimeout(this.#retry);
    this.#become('connecting');
    const escaped = this.#token.replaceAll(':', '%3A').replaceAll('@', '%40');
    const plain = PLAIN.test(escaped);
    const address = new URL('/presence/stream', location.href);
    address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    if (!plain) address.searchParams.set('access_token', this.#token);
    const socket = new WebSocket(address, plain ? ['presence.v1', `bearer.${escaped}`] : ['presence.v1']);
    this.#socket = socket;
    let welcomed = false;
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      const frame = JSON.parse(data);
      if (frame.type === 'welcome') welcomed = true;
      this.#take(frame);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      void this.#closed(code, reason, welcomed);
    };
  }

  #take(frame) {
    if (frame.cursor !== undefined) this.#cursor = frame.cursor;
    switch (frame.type) {
      case 'welcome':
        this.#attempts = 0;
        this.#become('open');
        if (this.#says !== null) this.#hello();
        this.#rejoin();
        break;
      case 'snapshot':
      case 'diffs':
        this.#tell(frame.type, frame);
        break;
      case 'drain':
        this.#leaveIn(frame.reconnect_in_ms);
        break;
      case 'error':
        if (frame.code === 'bad_input' && this.#resumed) this.#startOver();
        else this.#tell('fault', frame);
        break;
    }
  }

  #hello() {
    this.#send({ type: 'hello', device_id: this.#deviceId(), session_id: this.#session, ...this.#says });
  }

  /** What was watched before, from where it was, or anew. */
  #rejoin() {
    const user_ids = [...this.#watched];
    this.#resumed = this.#cursor !== null;
    if (this.#resumed) this.#send({ type: 'resume', cursor: this.#cursor, user_ids });
    else if (user_ids.length > 0) this.#send({ type: 'subscribe', user_ids });
  }

  /** The cursor is of no use any more. */
  #startOver() {
    this.#cursor = null;
    this.#rejoin();
  }

  /** The gateway is being emptied: another one will serve. */
  #leaveIn(ms) {
    this.#tell('fault', { code: 'drain', detail: 'This gateway is being emptied; moving to another one.' });
    setTimeout(() => this.#socket?.close(1000), ms);
  }

  async #closed(code, reason, welcomed) {
    if (code === 4409) {
      // A copy of this tab speaks for its device: from now on this one is another.
      sessionStorage.removeItem(this.#deviceKey);
      this.#session = randomId('s');
      this.#seq = 0;
    }
    const refused = code === 4401 || (!welcomed && (await this.#isRefused()));
    // Meanwhile the user may have left, or connected as somebody else.
    if (this.#kind === 'idle' || this.#socket !== null) return;
    if (refused) {
      this.#become('refused', 'The token was not accepted.');
      return;
    }
    const most = Math.min(BACKOFF.first * 2 ** this.#attempts, BACKOFF.max);
    const pause = code === 4429 ? 5_000 : most * (0.5 + Math.random() / 2);
    this.#attempts += 1;
    this.#become('waiting', reason || 'the connection broke', pause);
    this.#retry = setTimeout(() => this.#open(), pause);
  }

  /** A browser does not say why an upgrade failed: a read with the same token does. */
  async #isRefused() {
    try {
      const { status } = await fetch('/presence?user_ids=nobody', { headers: { authorization: `Bearer ${this.#token}` } });
      return status === 401 || status === 403;
    } catch {
      return false;
    }
  }

  #send(frame) {
    if (this.#kind === 'open' && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #become(kind, detail = '', pause_ms = 0) {
    this.#kind = kind;
    this.#tell('state', { kind, detail, pause_ms });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
