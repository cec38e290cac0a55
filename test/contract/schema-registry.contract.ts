/** What every schema registry keeps to. Each implementation's test calls this with a way to make one. */
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../base/errors.ts';
import type { SchemaRegistry } from '../../ports/schema-registry.ts';
import { createCodecs } from '../../schemas/codec.ts';
import { sampleValues } from '../../schemas/samples.ts';

const record = (fields: readonly object[]): object => ({ type: 'record', name: 'Thing', namespace: 'test', fields });
const name = { name: 'name', type: 'string' };
const colours = (...symbols: readonly string[]): object => ({ name: 'colour', type: { type: 'enum', name: 'Colour', symbols } });

export function schemaRegistryContract(what: string, make: () => Promise<SchemaRegistry>): void {
  describe(`schema registry contract: ${what}`, () => {
    // A registry outlives a run: each test has subjects of its own.
    let serial = 0;
    const subject = (): string => `contract-${process.pid}-${Date.now()}-${(serial += 1)}-value`;

    test('a schema is registered once, and found by its id as it was given', async () => {
      const registry = await make();
      const at = subject();
      const schema = record([name, { name: 'age', type: 'int', default: 7, doc: 'In years.' }]);
      const id = await registry.register(at, schema);
      expect(await registry.register(at, schema)).toBe(id);
      expect(await registry.schema(id)).toEqual(schema);
      expect(Number.isSafeInteger(id) && id > 0).toBe(true);
    });

    test('processes that register the same schema at once, for the first time, all get its id', async () => {
      const registries = await Promise.all(Array.from({ length: 6 }, make));
      for (let round = 0; round < 5; round += 1) {
        const at = subject();
        const schema = record([name, { name: `round_${serial}`, type: 'int' }]);
        const ids = await Promise.all(registries.map((registry) => registry.register(at, schema)));
        expect(new Set(ids).size).toBe(1);
      }
    });

    test('what the last version wrote must stay readable', async () => {
      const table: readonly [what: string, before: object, after: object, ok: boolean][] = [
        ['a field with a default is added', record([name]), record([name, { name: 'age', type: 'int', default: 0 }]), true],
        ['a field without a default is added', record([name]), record([name, { name: 'age', type: 'int' }]), false],
        ['a field is removed', record([name, { name: 'age', type: 'int' }]), record([name]), true],
        ['a type is changed', record([name]), record([{ name: 'name', type: 'int' }]), false],
        ['a type is widened', record([{ name: 'age', type: 'int' }]), record([{ name: 'age', type: 'long' }]), true],
        ['a type is narrowed', record([{ name: 'age', type: 'long' }]), record([{ name: 'age', type: 'int' }]), false],
        ['an enum symbol is added', record([colours('red')]), record([colours('red', 'blue')]), true],
        ['an enum symbol is removed', record([colours('red', 'blue')]), record([colours('red')]), false],
        ['a field becomes nullable', record([name]), record([{ name: 'name', type: ['null', 'string'] }]), true],
      ];
      const registry = await make();
      for (const [change, before, after, ok] of table) {
        const at = subject();
        await registry.register(at, before);
        const outcome = await registry.register(at, after).then(
          () => 'accepted',
          (error: unknown) => (hasCode(error, 'SCHEMA_REFUSED') && !error.retriable ? 'refused' : String(error)),
        );
        expect(outcome, change).toBe(ok ? 'accepted' : 'refused');
        // A refusal leaves the subject as it was.
        expect(await registry.register(at, before), change).toBeGreaterThan(0);
      }
    });

    test('a refusal also comes to a second client that has registered nothing itself', async () => {
      const at = subject();
      await (await make()).register(at, record([name]));
      await expect((await make()).register(at, record([name, { name: 'age', type: 'int' }]))).rejects.toMatchObject({
        code: 'SCHEMA_REFUSED',
        at,
      });
    });

    test('what is no Avro schema is refused', async () => {
      const registry = await make();
      await expect(registry.register(subject(), { type: 'record', name: 'Broken' })).rejects.toMatchObject({
        code: 'SCHEMA_REFUSED',
      });
    });

    test('an id that was never given is UNDECODABLE', async () => {
      await expect((await make()).schema(1_999_999_999)).rejects.toMatchObject({ code: 'UNDECODABLE', retriable: false });
    });

    test('answers a ping', async () => {
      await (await make()).ping();
    });

    test('two processes with codecs of their own read what the other wrote', async () => {
      const [one, two] = [await createCodecs({ registry: await make() }), await createCodecs({ registry: await make() })];
      for (const value of sampleValues.UserState) {
        const bytes = one.userState.encode(value);
        await two.prepare([bytes]);
        expect(two.userState.decode(bytes)).toStrictEqual(value);
        expect(two.userState.encode(value).equals(bytes)).toBe(true);
      }
    });
  });
}
