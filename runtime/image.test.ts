import { describe, expect, test } from 'vitest';
import { random } from '../processors/swarm.ts';
import { PartitionImage } from './image.ts';

const SEEDS = Number(process.env.SEEDS ?? (process.env.SEED === undefined ? 24 : 1));
const FIRST = Number(process.env.SEED ?? 1);

const contents = (image: PartitionImage): Map<string, string> => {
  const found = new Map<string, string>();
  image.each((slot) => found.set(image.keyOf(slot), image.valueOf(slot).toString('latin1')));
  return found;
};
const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

/** As a file would: every part's bytes, as they are when they are written, put into fresh ones. */
function copyOf(image: PartitionImage, beforeWriting: () => void = () => {}): PartitionImage {
  const dump = image.dump();
  try {
    const loading = PartitionImage.load(JSON.parse(JSON.stringify(dump.layout)));
    beforeWriting();
    for (const [index, part] of dump.parts.entries()) (loading.parts[index] as Uint8Array).set(part);
    return loading.finish();
  } finally {
    dump.release();
  }
}

describe('an image says what a map of the same records says, whatever is put, removed and dumped', () => {
  test.for(Array.from({ length: SEEDS }, (_, n) => FIRST + n))('SEED=%i npx vitest run runtime/image.test.ts', (seed) => {
    const next = random(seed);
    // Few sizes of table, long and short values, and now and then one larger than a chunk.
    const keys = [3, 50, 3_000][seed % 3] as number;
    const longest = [20, 300, 5_000][(seed >> 1) % 3] as number;
    let image = new PartitionImage(seed % 4 === 0 ? 0 : undefined);
    const map = new Map<string, string>();
    const slots = new Map<string, number>();
    const name = () => {
      const n = Math.floor(next() * keys);
      return n % 7 === 0 ? `größe/${n}` : `user-${n}`;
    };
    const change = (): void => {
      const key = name();
      if (next() < 0.1) {
        expect(image.remove(key)).toBe(map.delete(key));
        slots.delete(key);
        return;
      }
      const length = next() < 0.0005 ? 300_000 : Math.floor(next() * longest);
      const value = Buffer.alloc(length, Math.floor(next() * 256));
      const slot = image.put(next() < 0.5 ? key : Buffer.from(key), value);
      map.set(key, value.toString('latin1'));
      expect(slots.get(key) ?? slot).toBe(slot);
      slots.set(key, slot);
    };
    for (let step = 0; step < 3_000; step += 1) {
      change();
      const key = name();
      const slot = image.find(key);
      expect(slot >= 0).toBe(map.has(key));
      if (slot >= 0) expect([image.keyOf(slot), image.valueOf(slot).toString('latin1')]).toEqual([key, map.get(key)]);
      if (next() > 0.002) continue;
      // A dump is what was there when it was taken, though the image goes on before it is written.
      const before = sorted(map);
      const loaded = copyOf(image, () => {
        for (let more = 0; more < 500; more += 1) change();
      });
      expect(sorted(contents(loaded))).toEqual(before);
      expect(loaded.size).toBe(before.length);
      if (next() < 0.5) continue;
      image = copyOf(image);
    }
    expect(image.size).toBe(map.size);
    expect(sorted(contents(image))).toEqual(sorted(map));
  });
});

describe('what an image holds is bounded by what lives in it', () => {
  const CHUNK = 262_144;
  test.for([
    ['values that grow and shrink', 5_000, (n: number) => 20 + ((n * 7_919) % 400)],
    ['values of one length', 5_000, () => 150],
    // Each in a chunk of its own, whose number must be given again.
    ['values larger than a chunk', 12, (n: number) => CHUNK + ((n * 7_919) % 400_000)],
    ['values smaller and larger than a chunk', 12, (n: number) => ((n * 7_919) % 3) * 200_000 + 10_000],
  ] as const)('%s: forty rounds over the same keys', ([, count, length]) => {
    const image = new PartitionImage();
    const keys = Array.from({ length: count }, (_, n) => `user-${n}`);
    let [most, longest] = [0, 0];
    for (let round = 0; round < 40; round += 1) {
      for (const [n, key] of keys.entries()) {
        const value = Buffer.alloc(length(n + round), 1);
        longest = Math.max(longest, value.length);
        image.put(key, value);
      }
      most = Math.max(most, image.garbage);
    }
    // A quarter of what is held, and a chunk; nothing piles up.
    const largest = Math.max(CHUNK, longest);
    expect(most).toBeLessThan(image.bytes * 0.25 + 2 * largest);
    expect(image.bytes).toBeLessThan(count * (longest + 20) * 2 + 2 * largest);
    const dump = image.dump();
    dump.release();
    expect(dump.layout.chunks.length).toBeLessThan(2 * count + (2 * image.bytes) / CHUNK);
  });

  test('a dump that is never written soon holds no more than what was put meanwhile', () => {
    const image = new PartitionImage();
    for (let n = 0; n < 10_000; n += 1) image.put(`user-${n}`, Buffer.alloc(150, 1));
    const before = image.bytes;
    const dump = image.dump();
    for (let n = 0; n < 1_000; n += 1) image.put(`user-${n}`, Buffer.alloc(150, 2));
    expect(image.bytes - before).toBeLessThan(1_000 * 200 + 262_144);
    dump.release();
    for (let round = 0; round < 20; round += 1)
      for (let n = 0; n < 10_000; n += 1) image.put(`user-${n}`, Buffer.alloc(150 + (round % 2) * 50, round));
    expect(image.garbage).toBeLessThan(image.bytes * 0.3 + 262_144);
  });
});

test('a key or a value that no log takes is refused by name', () => {
  const image = new PartitionImage();
  expect(() => image.put('x'.repeat(5_000), Buffer.alloc(1))).toThrow('A key of 5000 bytes; an image takes 4095.');
  expect(() => image.put('x', Buffer.alloc(9 << 20))).toThrow(/A value of 9437184 bytes/);
  expect(image.size).toBe(0);
});

test('parts that are no image are refused when they are loaded', () => {
  const image = new PartitionImage();
  for (let n = 0; n < 10; n += 1) image.put(`user-${n}`, Buffer.alloc(20));
  const dump = image.dump();
  const loading = PartitionImage.load(dump.layout);
  expect(() => loading.finish()).toThrow(RangeError);
  dump.release();
});
