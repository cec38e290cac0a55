import { expect, test } from 'vitest';
import { partitionOf } from '../base/murmur2.ts';
import { keyPartition } from './key-partition.ts';

test('a key is in the partition in which Kafka has it, whatever its length and letters', () => {
  const keys = ['', 'a', 'ada', 'acme/ada', 'jürgen', '東京', '🙂', 'x'.repeat(512), 'x'.repeat(513), `${'x'.repeat(300)}é`];
  for (let i = 0; i < 1_000; i++) keys.push(`user-${(i * 7_919).toString(36)}`.slice(0, 4 + (i % 12)));
  for (const partitions of [1, 3, 8, 1_024])
    expect(keys.map((key) => keyPartition(key, partitions))).toEqual(keys.map((key) => partitionOf(key, partitions)));
});
