/** What is in memory, and when. That it changes nothing in what is emitted is a law (topology/kit/laws-image.ts). */
import { expect, test } from 'vitest';
import { type SignalDraft, signal } from '../schemas/signal.ts';
import { jsonRecords, StoredMap } from '../topology/kit/stored-map.ts';
import { presence } from '../topology/presence.ts';

const START = 1_700_000_000_000;
const hello = (user: number): SignalDraft => ({
  kind: 'hello',
  user_id: `u${user}`,
  device_id: 'd',
  session_id: 's',
  connection_id: `c${user}`,
  gateway_id: 'g',
});
const beat = (user: number, seq: number): SignalDraft => ({
  kind: 'heartbeat',
  user_id: `u${user}`,
  device_id: 'd',
  session_id: 's',
  seq,
  ttl_ms: 120_000,
});

function onImage(options: { hotUsers?: number; idle?: number }, keeps = true) {
  const stored = new StoredMap();
  const processor = presence.processor(0, { stored, records: jsonRecords, ...options });
  if (keeps)
    processor.emissions.subscribe(({ states }) => {
      for (const { key, value } of states) stored.put(key, jsonRecords.encode(value));
    });
  processor.restore();
  let offset = 0;
  const feed = (at: number, ...drafts: readonly SignalDraft[]) => {
    const records = drafts.map((draft, i) => ({ offset: offset + i, stamp: START + at, value: signal(draft) }));
    offset += records.length;
    processor.process({ partition: 0, records, nextOffset: offset });
    return processor.sizes;
  };
  return { processor, feed };
}

const users = Array.from({ length: 100 }, (_, i) => i);

test('beyond the limit users fall out of memory once they are written, and all stay known', () => {
  const { feed } = onImage({ hotUsers: 10 });
  expect(feed(0, ...users.map(hello)).hot).toBe(100); // Touched: nothing of them is written.
  let sizes = feed(200, { kind: 'tick' });
  for (let i = 1; i < 8; i += 1) sizes = feed(200 + i, { kind: 'tick' });
  expect(sizes).toMatchObject({ users: 100, devices: 100, hot: 10 });
  expect(sizes.stores.map(({ store, entries }) => [store, entries])).toEqual([
    ['sessions', 101],
    ['claims', 100],
    ['lives', 101],
    ['emitted', 100],
  ]);
});

test('users with unwritten beats stay, until the beat is written', () => {
  const { feed } = onImage({ hotUsers: 10 });
  feed(0, ...users.map((user) => beat(user, 1)));
  feed(300, ...users.map((user) => beat(user, 2)));
  let at = 300;
  let sizes = feed(at, { kind: 'tick' });
  for (; at < 29_000; at += 1_000) sizes = feed(at, { kind: 'tick' });
  expect(sizes.hot).toBe(100);
  for (; at < 34_000; at += 500) sizes = feed(at, { kind: 'tick' });
  expect(sizes.hot).toBeLessThanOrEqual(10);
});

test('a user to whom nothing happens falls out after about a minute', () => {
  const { feed } = onImage({});
  feed(0, ...users.map(hello));
  let at = 1_000;
  const hotAt = (until: number): number => {
    let { hot } = feed(at, { kind: 'marker', gateway_id: 'g' });
    for (; at <= until; at += 1_000) ({ hot } = feed(at, { kind: 'marker', gateway_id: 'g' }, hello(7)));
    return hot;
  };
  expect([hotAt(30_000), hotAt(130_000)]).toEqual([100, 1]);
});

test('a runner that does not keep what is emitted is told so, before anybody is forgotten', () => {
  const { feed } = onImage({ hotUsers: 10 }, false);
  feed(0, ...users.map(hello));
  const goOn = () => {
    for (let i = 0; i < 8; i += 1) feed(200 + i, { kind: 'tick' });
  };
  expect(goOn).toThrow('was emitted, but is not in the image');
});

test('what passes each stage is counted, since it was last asked', () => {
  const { processor, feed } = onImage({});
  feed(0, beat(1, 1), beat(1, 1), beat(2, 1));
  feed(300, { kind: 'tick' });
  expect(processor.takeCounts().stages).toEqual([
    { name: 'drop-repeats', in: 5, out: 4 },
    { name: 'strongest-signal', in: 4, out: 4 },
    { name: 'silence', in: 4, out: 4 },
    { name: 'changes', in: 4, out: 1 },
  ]);
  expect(processor.takeCounts().stages.map(({ in: given }) => given)).toEqual([0, 0, 0, 0]);
});
