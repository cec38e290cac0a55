/** The live page: who you are, what this tab says, whom you watch, and what changes. `?user=ada&watch=bob,cy` fills it in. */
import { createPresenceClient } from './client.js';
import { h } from './elements.js';

const $ = (id) => document.getElementById(id);
const FEED_MAX = 60;
const REFRESH_MS = 3_000;
const words = { dnd: 'do not disturb' };
const causes = {
  signal: 'said so',
  goodbye: 'left',
  silence: 'went silent',
  ttl: 'background beat ran out',
  gateway_lost: 'its gateway was lost',
  override: 'override set',
  override_cleared: 'override cleared',
  override_expired: 'override ran out',
  failover: 'another region took over',
};
const word = (state) => words[state] ?? state;

/** Whoever is signed in; null: nobody. */
let client = null;
/** user_id → Presence, as last known. */
const people = new Map();
const latencies = [];
let me = null;
let token = '';
let says = 'online';

// ---------------------------------------------------------------- signing in

$('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  signIn($('name').value.trim() || 'ada', $('token').value.trim());
});
for (const button of document.querySelectorAll('[data-name]'))
  button.addEventListener('click', () => signIn(button.dataset.name, ''));
$('leave').addEventListener('click', () => {
  client.close();
  show(false);
});

function signIn(name, jwt) {
  me = subjectOf(jwt) ?? name;
  token = jwt || `dev:${name}`;
  says = 'online';
  people.clear();
  latencies.length = 0;
  $('feed').replaceChildren();
  $('own-name').textContent = me;
  document.title = `${me} · Who is online?`;
  show(true);
  client?.close();
  // Somebody looks at it: a server that is back should be seen soon.
  client = createPresenceClient({ url: '/', token, backoff: { max_ms: 5_000 } });
  client.on('connection', showConnection);
  client.on('presence', learnChanges);
  client.on('error', ({ code, detail }) => notice(detail || code));
  follow(kept());
  client.connect();
  render();
}

function show(live) {
  $('sign-in').hidden = live;
  $('live').hidden = !live;
  $('refused').hidden = true;
  if (!live) document.title = 'Who is online?';
}

/** The user a JWT speaks for, read without checking it: only to show it. */
function subjectOf(jwt) {
  try {
    return JSON.parse(atob(jwt.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).sub ?? null;
  } catch {
    return null;
  }
}

// ---------------------------------------------------------------- what this tab says

$('says').addEventListener('click', ({ target }) => {
  if (target.dataset.say === undefined) return;
  says = target.dataset.say;
  client.setState(says);
  render();
});

$('override').addEventListener('click', async ({ target }) => {
  const { override, ttl } = target.dataset;
  if (override === undefined) return;
  const body = { state: override, ...(ttl === undefined ? {} : { ttl_s: Number(ttl) }), reason: 'set on the live page' };
  const response = await api(
    '/presence/override',
    override === 'clear' ? { method: 'DELETE' } : { method: 'POST', body: JSON.stringify(body) },
  );
  if (response?.ok === false) notice(`The override was refused: ${(await response.json()).detail ?? response.status}`);
});

async function api(path, options = {}) {
  try {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    return await fetch(path, { ...options, headers });
  } catch {
    return null; // the connection pill says it
  }
}

// ---------------------------------------------------------------- whom you watch

const listKey = () => `presence.watch.${me}`;
const kept = () => JSON.parse(sessionStorage.getItem(listKey()) ?? '[]');
const keep = (ids) => sessionStorage.setItem(listKey(), JSON.stringify(ids));

$('watch').addEventListener('submit', (event) => {
  event.preventDefault();
  const ids = $('watch-name')
    .value.split(/[\s,]+/)
    .filter((id) => id !== '' && id !== me);
  $('watch-name').value = '';
  watch(ids);
});

function watch(ids) {
  keep([...new Set([...kept(), ...ids])]);
  follow(ids);
  render();
}

/** Each by itself: one that is no user id does not keep the others out. */
function follow(ids) {
  const watched = new Set(client.watched);
  for (const id of ids) {
    try {
      if (!watched.has(id)) client.subscribe([id]);
    } catch (error) {
      notice(error.message);
    }
  }
}

function unwatch(id) {
  keep(kept().filter((one) => one !== id));
  if (client.watched.includes(id)) client.unsubscribe([id]);
  people.delete(id);
  render();
}

// ---------------------------------------------------------------- what comes

function showConnection({ status, reason, retry_in_ms }) {
  const pill = $('connection');
  const [look, text] = {
    idle: ['idle', 'not connected'],
    connecting: ['wait', 'connecting…'],
    open: ['good', 'live'],
    waiting: ['wait', `${reason || 'the connection broke'}; again in ${(retry_in_ms / 1_000).toFixed(1)} s`],
    refused: ['bad', `${reason}.`],
  }[status];
  pill.dataset.kind = look;
  pill.textContent = text;
  if (status === 'refused') {
    show(false);
    $('refused').textContent = `Refused: ${reason}. On a server with keys, paste a JWT under “Use a token instead”.`;
    $('refused').hidden = false;
    $('with-token').open = true;
  }
  render();
}

function learnChanges(changes) {
  const now = Date.now();
  for (const { presence, diff } of changes) {
    learn(presence);
    if (diff !== undefined) tell(diff, now - Date.parse(diff.at));
  }
  render();
}

/** The newer (epoch, version) holds. */
function learn(presence) {
  const known = people.get(presence.user_id);
  const older = known && (presence.epoch < known.epoch || (presence.epoch === known.epoch && presence.version < known.version));
  if (!older) people.set(presence.user_id, presence);
}

/** What no diff says (devices, last seen, freshness) is asked for now and then. */
async function refresh() {
  if (client?.connection.status !== 'open' || document.hidden) return;
  const response = await api('/presence/query', {
    method: 'POST',
    body: JSON.stringify({ user_ids: [me, ...kept()].slice(0, 1_000) }),
  });
  if (response?.ok !== true) return;
  for (const presence of (await response.json()).presences) {
    if (presence.user_id === me || kept().includes(presence.user_id)) learn(presence);
  }
  render();
}
setInterval(refresh, REFRESH_MS);
setInterval(render, 1_000);

// ---------------------------------------------------------------- what is shown

const dot = (state) => h('span', { class: 'dot', 'data-state': state });

function ago(iso) {
  if (!iso) return 'never';
  const s = Math.round((Date.now() - Date.parse(iso)) / 1_000);
  if (s < 2) return 'just now';
  if (s < 100) return `${s} s ago`;
  if (s < 6_000) return `${Math.round(s / 60)} min ago`;
  return new Date(iso).toLocaleString();
}

function render() {
  if (me === null) return;
  const own = people.get(me);
  for (const id of ['own-dot', 'own-state-dot']) $(id).dataset.state = own?.state ?? 'offline';
  $('own-state').textContent = own === undefined ? '…' : word(own.state);
  $('own-detail').textContent = own === undefined ? '' : detailOf(own);
  for (const button of $('says').children) button.setAttribute('aria-pressed', String(button.dataset.say === says));
  for (const button of $('override').children) {
    button.setAttribute('aria-pressed', String(own?.source === 'manual' && button.dataset.override === own.state));
  }
  const list = kept();
  $('nobody').hidden = list.length > 0;
  renderPeople(list);
  $('quiet').hidden = $('feed').children.length > 0;
}

function detailOf({ state, source, since, devices }) {
  const by = { manual: 'by override', app: 'said by a device', inferred: state === 'offline' ? '' : 'as inferred' }[source];
  const on = devices === undefined ? '' : `${devices} ${devices === 1 ? 'device' : 'devices'}`;
  return [by, since ? `since ${ago(since)}` : '', on].filter(Boolean).join(' · ');
}

/** One row a person, kept while they are watched: a row that is replaced would lose the focus on its button. */
const rows = new Map();

function rowOf(id) {
  const known = rows.get(id);
  if (known !== undefined) return known;
  const parts = {
    dot: dot('offline'),
    state: h('span', { class: 'state' }),
    seen: h('small', {}),
    stale: h('small', { class: 'stale' }),
  };
  const remove = h(
    'button',
    { class: 'quiet', type: 'button', 'aria-label': `Stop watching ${id}`, onclick: () => unwatch(id) },
    '✕',
  );
  const text = h('div', {}, h('b', {}, id), ' ', parts.state, parts.seen, parts.stale);
  const row = { ...parts, item: h('li', { 'data-user': id }, parts.dot, text, remove) };
  rows.set(id, row);
  return row;
}

function renderPeople(list) {
  for (const [id, { item }] of rows) {
    if (list.includes(id)) continue;
    item.remove();
    rows.delete(id);
  }
  for (const id of list) {
    const { item, dot, state, seen, stale } = rowOf(id);
    const person = people.get(id);
    item.dataset.state = dot.dataset.state = person?.state ?? 'offline';
    state.textContent = person === undefined ? '' : word(person.state);
    seen.textContent =
      person === undefined ? '…' : person.state === 'offline' ? `last seen ${ago(person.last_seen)}` : detailOf(person);
    stale.textContent = person?.stale ? `not confirmed since ${ago(person.fresh_at)}` : '';
    if (!item.isConnected) $('people').append(item);
  }
}

function tell(diff, latency) {
  const { user_id, from, to, cause, source, at, trace_id } = diff;
  latencies.push(latency);
  if (latencies.length > FEED_MAX) latencies.shift();
  const kind = latency < 500 ? 'good' : latency < 2_000 ? 'wait' : 'bad';
  const shown = latency < 0 ? 'clocks differ' : latency < 10_000 ? `${latency} ms` : `${Math.round(latency / 1_000)} s`;
  const step = h(
    'span',
    { class: 'step' },
    dot(to),
    h('b', {}, user_id === me ? `${user_id} (you)` : user_id),
    h('span', { class: 'from' }, `${word(from)} →`),
    word(to),
  );
  const why = h('span', { class: 'why' }, `${causes[cause] ?? cause} · ${source}`);
  const item = h(
    'li',
    {
      class: 'new',
      'data-user': user_id,
      'data-to': to,
      'data-cause': cause,
      title: trace_id === null ? '' : `trace ${trace_id}`,
    },
    step,
    h('span', { class: 'pill latency', 'data-kind': kind }, shown),
    why,
    h('time', { class: 'time', datetime: at }, new Date(at).toLocaleTimeString()),
  );
  $('feed').prepend(item);
  while ($('feed').children.length > FEED_MAX) $('feed').lastElementChild.remove();
  const sorted = latencies.filter((ms) => ms >= 0).sort((a, b) => a - b);
  $('median').hidden = sorted.length === 0;
  $('median').textContent = `median ${sorted[Math.floor(sorted.length / 2)]} ms`;
  if (sorted.length < latencies.length)
    $('skew').textContent = "This machine's clock is behind the broker's: latencies read too low.";
}

/** In the feed's place for a few seconds, so that nothing jumps. */
let noticing;
function notice(text) {
  const pill = $('connection');
  const before = [pill.dataset.kind, pill.textContent];
  clearTimeout(noticing);
  pill.dataset.kind = 'bad';
  pill.textContent = text;
  noticing = setTimeout(() => {
    if (pill.textContent === text)
      [pill.dataset.kind, pill.textContent] = client.connection.status === 'open' ? ['good', 'live'] : before;
  }, 4_000);
}

// ---------------------------------------------------------------- by the address

$('name').focus();
const asked = new URLSearchParams(location.search);
if (asked.has('user')) {
  signIn(asked.get('user'), asked.get('token') ?? '');
  watch((asked.get('watch') ?? '').split(',').filter(Boolean));
}
