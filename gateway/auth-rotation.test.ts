/** Keys that rotate behind a JWKS URL; whose tokens are taken, and whom they are for. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthenticator, isBadToken } from './auth.ts';

type Key = Awaited<ReturnType<typeof generateKeyPair>>;
const keys = new Map<string, Key>();
/** What the server publishes now. */
let published: string[] = [];
let fetched = 0;
let server: Server;
let jwksUrl: string;

beforeAll(async () => {
  for (const kid of ['k1', 'k2']) keys.set(kid, await generateKeyPair('ES256'));
  server = createServer((_, response) => {
    fetched += 1;
    void Promise.all(
      published.map(async (kid) => ({ ...(await exportJWK((keys.get(kid) as Key).publicKey)), kid, alg: 'ES256' })),
    ).then((all) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: all })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
});
afterAll(() => void server.close());

const signed = (kid: string, claims: Record<string, unknown> = {}, ends = '1m'): Promise<string> =>
  new SignJWT({ sub: 'ada', scope: 'presence:read', ...claims })
    .setProtectedHeader({ alg: 'ES256', kid })
    .setExpirationTime(ends)
    .sign((keys.get(kid) as Key).privateKey);

test('a key published later is fetched when a token of it comes; one that is gone is not taken by who starts then', async () => {
  published = ['k1'];
  // Asks again at once: as long as is waited between two fetches otherwise, the test would have to.
  const authenticator = createAuthenticator({ loopback: false, jwksUrl, jwksCooldown_ms: 0 });
  expect((await authenticator.verify(await signed('k1'))).userId).toBe('ada');
  published = ['k1', 'k2'];
  const before = fetched;
  expect((await authenticator.verify(await signed('k2'))).userId).toBe('ada');
  expect(fetched).toBe(before + 1);
  published = ['k2'];
  const later = createAuthenticator({ loopback: false, jwksUrl });
  expect((await later.verify(await signed('k2'))).userId).toBe('ada');
  await expect(later.verify(await signed('k1'))).rejects.toSatisfy(isBadToken);
});

test('tokens of a key that nobody published do not make the keys be fetched each time', async () => {
  published = ['k1'];
  const authenticator = createAuthenticator({ loopback: false, jwksUrl });
  await authenticator.verify(await signed('k1'));
  const before = fetched;
  for (let i = 0; i < 10; i += 1) await expect(authenticator.verify(await signed('k2', { n: i }))).rejects.toSatisfy(isBadToken);
  expect(fetched).toBe(before);
});

describe('audience, issuer and expiry', () => {
  const cases: readonly (readonly [string, Record<string, unknown>, boolean])[] = [
    ['both right', { aud: 'presence', iss: 'https://id.example.com' }, true],
    ['one of several audiences', { aud: ['other', 'presence'], iss: 'https://id.example.com' }, true],
    ['another audience', { aud: 'other', iss: 'https://id.example.com' }, false],
    ['no audience', { iss: 'https://id.example.com' }, false],
    ['another issuer', { aud: 'presence', iss: 'https://id.example.org' }, false],
    ['no issuer', { aud: 'presence' }, false],
    ['not yet', { aud: 'presence', iss: 'https://id.example.com', nbf: Math.floor(Date.now() / 1_000) + 600 }, false],
  ];
  test.each(cases)('%s', async (_, claims, taken) => {
    published = ['k1'];
    const options = { audience: ['presence', 'presence-api'], issuer: ['https://id.example.com'] };
    const verified = createAuthenticator({ loopback: false, jwksUrl, ...options }).verify(await signed('k1', claims));
    if (taken) expect((await verified).userId).toBe('ada');
    else await expect(verified).rejects.toSatisfy(isBadToken);
  });

  test('a token that has ended, by more than the leeway, is none', async () => {
    published = ['k1'];
    const authenticator = createAuthenticator({ loopback: false, jwksUrl });
    await expect(authenticator.verify(await signed('k1', {}, '-10s'))).rejects.toThrow(/ended/);
    expect((await authenticator.verify(await signed('k1', {}, '-2s'))).userId).toBe('ada');
  });
});
