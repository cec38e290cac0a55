/** A crowd that comes back at once is let in at the rate, and the rest is told to come back spread over as long as that takes. */
import { afterEach, expect, test } from 'vitest';
import { Admission } from '../../gateway/admission.ts';
import { Client, type Rig, refusedUpgrade, startRig } from './harness.ts';

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

test('beyond the rate an upgrade is 503 with Retry-After; whoever comes back then is let in; HTTP goes on', async () => {
  rig = await startRig({ acceptRateMax: 5 });
  const { url } = rig;
  const come = async (user: string): Promise<number> => {
    const refused = refusedUpgrade(url, { headers: { authorization: `Bearer dev:${user}` } });
    const { status, headers } = await refused.catch(() => ({ status: 101, headers: {} as Record<string, unknown> }));
    if (status === 101) return 0;
    expect(status).toBe(503);
    return Number(headers['retry-after']);
  };
  const after = await Promise.all(Array.from({ length: 60 }, (_, i) => come(`u${i}`)));
  const sent = after.filter((seconds) => seconds > 0);
  expect(after.length - sent.length).toBeGreaterThanOrEqual(10);
  expect(sent.length).toBeGreaterThan(20);
  expect(sent.every((seconds) => Number.isInteger(seconds) && seconds >= 1 && seconds <= 31)).toBe(true);
  expect(new Set(sent).size).toBeGreaterThan(2);
  expect((await rig.fetch('/presence?user_ids=ada')).status).toBe(200);
  await new Promise((later) => setTimeout(later, 1_000));
  await new Client(url).ready();
});

test('who has no good token takes no place away', async () => {
  rig = await startRig({ acceptRateMax: 1 });
  for (let i = 0; i < 20; i += 1)
    expect((await refusedUpgrade(rig.url, { headers: { authorization: 'Bearer nobody' } })).status).toBe(401);
  await new Client(rig.url).ready();
});

test('the longer the crowd, the further it is spread, up to half a minute', () => {
  const admission = new Admission(100);
  const first = Array.from({ length: 50 }, () => admission.refuse());
  expect(Math.max(...first)).toBe(1);
  const later = Array.from({ length: 1_000 }, () => admission.refuse());
  expect(Math.max(...later.slice(-200))).toBeGreaterThan(4);
  const most = Array.from({ length: 100_000 }, () => admission.refuse());
  expect(Math.max(...most)).toBeLessThanOrEqual(30);
  expect(Math.min(...most)).toBe(1);
});

test('a rate of nothing is a bad setting', () => {
  expect(() => new Admission(0)).toThrow(/too few/);
});

test('a drain tells each when to come back, by chance within its wave', async () => {
  rig = await startRig();
  const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => new Client(rig!.url, { as: `dev:u${i}` }).ready()));
  const answer = await rig.fetch('/admin/drain', { method: 'POST', as: 'dev-admin:root', json: { over_ms: 1_000 } });
  expect(answer.status).toBe(202);
  const hints = await Promise.all(clients.map(async (client) => (await client.next('drain')).reconnect_in_ms as number));
  expect(hints.every((ms) => Number.isInteger(ms) && ms >= 0 && ms <= 1_000)).toBe(true);
  expect(new Set(hints).size).toBeGreaterThan(5);
});
