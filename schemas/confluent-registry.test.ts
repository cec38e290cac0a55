import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { createConfluentRegistry } from './confluent-registry.ts';

test('a registry that nobody listens at, or that never answers, is LOG_UNAVAILABLE and worth another try', async () => {
  const silent = createServer(() => {});
  const port = await new Promise<number>((resolve) =>
    silent.listen(0, '127.0.0.1', () => resolve((silent.address() as { port: number }).port)),
  );
  try {
    for (const at of ['http://127.0.0.1:1/apis/ccompat/v7', `http://127.0.0.1:${port}`]) {
      const registry = createConfluentRegistry({ url: at, timeout_ms: 300 });
      for (const call of [registry.ping(), registry.schema(1), registry.register('subject', { type: 'string' })]) {
        await expect(call).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', retriable: true });
      }
    }
  } finally {
    silent.close();
  }
});
