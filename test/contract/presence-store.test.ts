import { expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createPresenceStore } from '../../connectors/cockroach/index.ts';
import { describeWith } from '../stack/suite.ts';
import { presenceStoreContract } from './presence-store.contract.ts';

await describeWith('The database store', ['postgres'], ({ postgres: url }) => {
  presenceStoreContract('on a real PostgreSQL', url);
});

test('a database that is not there is STORE_UNAVAILABLE, and says where, without the password', async () => {
  const store = createPresenceStore({ url: 'postgres://ada:secret@127.0.0.1:1/presence', logger: silentLogger });
  const error = await store.ping().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retriable: true, at: 'postgres://127.0.0.1:1/presence' });
  expect(String(error)).not.toMatch(/secret/);
  await store.close();
});
