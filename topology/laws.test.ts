/**
 * The laws on seeds. LAWS_SEEDS=5000 runs more of them, LAWS_SEED=17 one alone, LAWS_RECORDS=2000 longer logs.
 */
import { expect, test } from 'vitest';
import { avroType, readSchema } from '../schemas/avsc.ts';
import type { Diff, PartitionState, UserState } from '../schemas/generated.ts';
import { checkLaws } from './kit/laws.ts';
import type { LawCodec } from './kit/laws-kit.ts';
import { presence } from './presence.ts';

const codecOf = <T>(name: 'UserState' | 'PartitionState' | 'Diff') => {
  const type = avroType(readSchema(name));
  // Confluent wire format, as in the topics: a zero byte and the schema's id.
  const header = Buffer.from([0, 0, 0, 0, 7]);
  return {
    encode: (value: T): Buffer => Buffer.concat([header, type.toBuffer(value)]),
    decode: (bytes: Buffer): T => type.fromBuffer(bytes.subarray(header.length)) as T,
  };
};
const codec: LawCodec = {
  state: codecOf<UserState>('UserState'),
  partition: codecOf<PartitionState>('PartitionState'),
  diff: codecOf<Diff>('Diff'),
};

const one = process.env['LAWS_SEED'];
const count = Number(process.env['LAWS_SEEDS'] ?? 200);
const from = Number(process.env['LAWS_FROM'] ?? 1);
const records = Number(process.env['LAWS_RECORDS'] ?? 200);
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => from + i) : [Number(one)];

test('the laws of presence hold on every seed', { timeout: 3_600_000 }, () => {
  const broken: string[] = [];
  for (const seed of seeds) {
    try {
      checkLaws({ topology: presence, codec, seed, records });
    } catch (error) {
      const repeat = `LAWS_SEED=${seed} LAWS_RECORDS=${records} npx vitest run topology/laws.test.ts`;
      const said = error instanceof Error ? (error.message.startsWith('Law') ? error.message : error.stack) : String(error);
      broken.push(`${said}\n  again: ${repeat}`);
      if (broken.length === 3) break;
    }
  }
  expect(broken.join('\n\n')).toBe('');
});
