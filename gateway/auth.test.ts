import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bearerOf, createAuthenticator, isBadToken } from './auth.ts';

describe('development tokens', () => {
  const loopback = createAuthenticator({ loopback: true });

  test('dev:<user> reads and writes, dev-admin:<user> does all', async () => {
    const dev = await loopback.verify('dev:ada:lovelace');
    expect([dev.userId, dev.tenant, [...dev.scopes]]).toEqual(['ada:lovelace', 'default', ['presence:read', 'presence:write']]);
    expect([...(await loopback.verify('dev-admin:root')).scopes]).toContain('presence:admin');
  });

  test.each(['dev:', 'dev:a b', 'dev:a/b', 'dev:a\n', 'dev-root:a', `dev:${'x'.repeat(129)}`, ''])(
    '%j is none',
    async (token) => {
      await expect(loopback.verify(token)).rejects.toSatisfy(isBadToken);
    },
  );

  test('are taken on loopback only, and not where there are keys', async () => {
    await expect(createAuthenticator({ loopback: false }).verify('dev:ada')).rejects.toThrow(/loopback/);
    const keyed = createAuthenticator({ loopback: true, jwtSecret: 'a secret of at least thirty-two bytes, for HS256' });
    await expect(keyed.verify('dev:ada')).rejects.toSatisfy(isBadToken);
  });
});

describe('keys from a JWKS URL', () => {
  let server: Server;
  let url: string;
  let sign: (claims: Record<string, unknown>) => Promise<string>;
  let fetched = 0;
  beforeAll(async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
    server = createServer((_, response) => {
      fetched += 1;
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
    sign = (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).setExpirationTime('1m').sign(privateKey);
  });
  afterAll(() => void server.close());

  test('are fetched once; a token is verified once', async () => {
    const authenticator = createAuthenticator({ loopback: false, jwksUrl: url });
    const token = await sign({ sub: 'ada', tenant: 'acme', scope: 'presence:read other' });
    const principal = await authenticator.verify(token);
    expect(principal).toMatchObject({ userKey: 'acme/ada', tenant: 'acme' });
    expect([...principal.scopes]).toEqual(['presence:read']);
    expect(authenticator.known(token)).toBe(principal);
    await authenticator.verify(await sign({ sub: 'bob' }));
    expect(fetched).toBe(1);
  });

  test('a token signed with the public key as a secret is refused', async () => {
    const forged = await new SignJWT({ sub: 'ada' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .setExpirationTime('1m')
      .sign(new TextEncoder().encode('whatever the public key is, it is no secret'));
    await expect(createAuthenticator({ loopback: false, jwksUrl: url }).verify(forged)).rejects.toSatisfy(isBadToken);
  });

  test("that cannot be had are not the token's fault", async () => {
    const away = createAuthenticator({ loopback: false, jwksUrl: 'http://127.0.0.1:1/jwks.json' });
    await expect(away.verify(await sign({ sub: 'ada' }))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retriable: true });
  });
});

test.each([
  ['Bearer abc', 'abc'],
  ['bearer abc', 'abc'],
  ['Bearer  abc ', 'abc'],
  ['Basic abc', undefined],
  ['Bearer', undefined],
  ['Bearer a b', undefined],
  ['', undefined],
])('the token of the header %j is %j', (header, token) => {
  expect(bearerOf(header)).toBe(token);
});
