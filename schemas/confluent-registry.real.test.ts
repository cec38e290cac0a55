import { schemaRegistryContract } from '../test/contract/schema-registry.contract.ts';
import { describeWith } from '../test/stack/suite.ts';
import { createConfluentRegistry } from './confluent-registry.ts';

await describeWith('A real schema registry', ['schemaRegistry'], ({ schemaRegistry }) => {
  schemaRegistryContract('Confluent API', async () => createConfluentRegistry({ url: schemaRegistry }));
});
