/** Snappy and LZ4 as their formats say, by a writer that chooses at random; what real ones write is in test/contract/. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unpack } from './compression.ts';

const [GZIP, SNAPPY, LZ4, ZSTD] = [1, 2, 3, 4];

/** Bytes as they are, then a copy of what lies somewhere before. */
interface Step {
  readonly literal: Buffer;
  readonly back: number;
  readonly length: number;
}

const steps = fc.array(
  fc.record({
    literal: fc
      .oneof(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.uint8Array({ minLength: 1, maxLength: 700 }))
      .map(Buffer.from),
    back: fc.nat(),
    length: fc.oneof(fc.integer({ min: 4, max: 64 }), fc.integer({ min: 4, max: 600 })),
  }),
  { minLength: 1, maxLength: 12 },
);

/** Each step's distance, and the bytes that all come to. */
function play(chosen: readonly Step[]): { readonly plain: Buffer; readonly distances: readonly number[] } {
  const plain: number[] = [];
  const distances = chosen.map(({ literal, back, length }) => {
    plain.push(...literal);
    const distance = 1 + (back % Math.min(plain.length, 0xffff));
    for (let i = 0; i < length; i += 1) plain.push(plain[plain.length - distance] as number);
    return distance;
  });
  return { plain: Buffer.from(plain), distances };
}

function snappy(chosen: readonly Step[]): Buffer {
  const { plain, distances } = play(chosen);
  const bytes: number[] = [];
  let rest = plain.length;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  chosen.forEach(({ literal, length }, index) => {
    const [most, distance] = [literal.length - 1, distances[index] as number];
    if (most < 60) bytes.push(most << 2);
    else if (most < 256) bytes.push(60 << 2, most);
    else bytes.push(61 << 2, most & 255, most >>> 8);
    bytes.push(...literal);
    for (let left = length; left > 0; ) {
      const part = Math.min(left, 64);
      if (part >= 4 && part < 12 && distance < 2048) bytes.push(1 | ((part - 4) << 2) | ((distance >>> 8) << 5), distance & 255);
      else if (distance % 2 === 0) bytes.push(2 | ((part - 1) << 2), distance & 255, distance >>> 8);
      else bytes.push(3 | ((part - 1) << 2), distance & 255, distance >>> 8, 0, 0);
      left -= part;
    }
  });
  return Buffer.from(bytes);
}

const xerial = (...blocks: readonly Buffer[]): Buffer =>
  Buffer.concat([
    Buffer.from([0x82, ...Buffer.from('SNAPPY'), 0, 0, 0, 0, 1, 0, 0, 0, 1]),
    ...blocks.flatMap((block) => [uint32(block.length).reverse(), block]),
  ]);

function lz4(chosen: readonly Step[]): Buffer {
  const bytes: number[] = [];
  const more = (length: number): number[] => {
    if (length < 15) return [];
    return [...Array.from({ length: Math.floor((length - 15) / 255) }, () => 255), (length - 15) % 255];
  };
  const { distances } = play(chosen);
  chosen.forEach(({ literal, length }, index) => {
    const distance = distances[index] as number;
    bytes.push((Math.min(15, literal.length) << 4) | Math.min(15, length - 4), ...more(literal.length), ...literal);
    bytes.push(distance & 255, distance >>> 8, ...more(length - 4));
  });
  bytes.push(3 << 4, ...Buffer.from('end'));
  return Buffer.from(bytes);
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

function frame(flags: number, ...blocks: readonly { readonly stored: boolean; readonly bytes: Buffer }[]): Buffer {
  const header = [
    uint32(0x184d2204),
    Buffer.from([0x40 | flags, 0x40]),
    Buffer.alloc((flags & 8) === 0 ? 0 : 8),
    Buffer.alloc(1),
  ];
  const body = blocks.flatMap(({ stored, bytes }) => [
    uint32(bytes.length + (stored ? 2 ** 31 : 0)),
    bytes,
    Buffer.alloc((flags & 0x10) === 0 ? 0 : 4),
  ]);
  return Buffer.concat([...header, ...body, uint32(0), Buffer.alloc((flags & 4) === 0 ? 0 : 4)]);
}

test('Snappy is unpacked as it was packed, as one block and as a row of them', async () => {
  await fc.assert(
    fc.asyncProperty(steps, steps, async (one, other) => {
      const [first, second] = [play(one).plain, play(other).plain];
      expect((await unpack(SNAPPY, snappy(one))).equals(first)).toBe(true);
      const row = await unpack(SNAPPY, xerial(snappy(one), snappy(other)));
      expect(row.equals(Buffer.concat([first, second]))).toBe(true);
    }),
  );
});

test('LZ4 is unpacked as it was packed, whatever its frame says beside', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.subarray([0x20, 0x10, 8, 4]), async (chosen, flags) => {
      const stored = Buffer.from('as it is');
      const sum = flags.reduce((all, flag) => all | flag, 0);
      const packed = frame(sum, { stored: false, bytes: lz4(chosen) }, { stored: true, bytes: stored });
      expect((await unpack(LZ4, packed)).equals(Buffer.concat([play(chosen).plain, Buffer.from('end'), stored]))).toBe(true);
    }),
  );
});

const step = { literal: Buffer.from('abcabcabc'), back: 2, length: 40 };
/** Of which every byte is needed. */
const whole = [
  [GZIP, gzipSync('abc')],
  [SNAPPY, snappy([step])],
  [SNAPPY, xerial(snappy([step]))],
  [LZ4, frame(0, { stored: false, bytes: lz4([step]) })],
  // What `zstd` makes of 40 times abc.
  [ZSTD, Buffer.from('28b52ffd2478550000186162630100d2d40d01e599dbf8', 'hex')],
] as const;

test.each(whole)('what ends too early is refused (codec %i)', async (codec, packed) => {
  for (let length = 0; length < packed.length; length += 1) {
    if (codec === SNAPPY && length === 16) continue; // a row of no blocks
    await expect(unpack(codec, packed.subarray(0, length)), `${length} bytes`).rejects.toThrow();
  }
  expect((await unpack(codec, packed)).toString()).toMatch(/^(abc)+a?(end)?$/);
});

test('what refers to what was not there, says the wrong length, or has no codec is refused', async () => {
  await expect(unpack(SNAPPY, Buffer.from([4, 2 | (3 << 2), 1, 0]))).rejects.toThrow('not there');
  await expect(unpack(SNAPPY, Buffer.from([9, 0, 97]))).rejects.toThrow('not as long');
  await expect(unpack(LZ4, frame(0, { stored: false, bytes: Buffer.from([0x10, 97, 2, 0, 0]) }))).rejects.toThrow('not there');
  await expect(unpack(5, Buffer.alloc(9))).rejects.toThrow('no codec has the number 5');
});

test('a small batch that unpacks to more than memory should hold is refused', async () => {
  const bytes = [16, 97, 1, 0, ...Array.from({ length: 1_100_000 }, () => 255), 0];
  bytes[0] = (1 << 4) | 15;
  await expect(unpack(LZ4, frame(0, { stored: false, bytes: Buffer.from(bytes) }))).rejects.toThrow('when unpacked');
});
