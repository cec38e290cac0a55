import { expect, test } from 'vitest';
import { partitionOf } from './murmur2.ts';

test('a key is in the partition in which Kafka has its bytes, whatever its length and letters', () => {
  const keys = ['', 'a', 'ada', 'acme/ada', 'jürgen', '東京', '🙂', 'x'.repeat(512), 'x'.repeat(513), `${'x'.repeat(300)}é`];
  for (let i = 0; i < 1_000; i++) keys.push(`user-${(i * 7_919).toString(36)}`.slice(0, 4 + (i % 12)));
  const encoder = new TextEncoder();
  for (const partitions of [1, 3, 8, 1_024])
    expect(keys.map((key) => partitionOf(key, partitions))).toEqual(
      keys.map((key) => partitionOf(encoder.encode(key), partitions)),
    );
});
