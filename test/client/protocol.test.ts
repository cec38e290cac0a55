/** The client's protocol and the gateway's are the same, in types (by the compiler) and in values. */
import { expect, expectTypeOf, test } from 'vitest';
import type * as theirs from '../../client/protocol.ts';
import * as client from '../../client/protocol.ts';
import { STREAM_PATH } from '../../gateway/http/routes.ts';
import { idPattern, WATCH_LIMIT } from '../../gateway/validation/ids.ts';
import type * as ours from '../../gateway/ws/protocol.ts';
import * as gateway from '../../gateway/ws/protocol.ts';

test('each frame has the same type on both sides', () => {
  expectTypeOf<theirs.ClientFrame>().toEqualTypeOf<ours.ClientFrame>();
  expectTypeOf<theirs.ServerFrame>().toEqualTypeOf<ours.ServerFrame>();
});

test('names, limits and close codes are the same', () => {
  const { SUBPROTOCOL, BEARER_PREFIX } = client;
  expect({ SUBPROTOCOL, BEARER_PREFIX }).toEqual({ SUBPROTOCOL: gateway.SUBPROTOCOL, BEARER_PREFIX: gateway.BEARER_PREFIX });
  expect([client.STREAM_PATH, client.WATCH_LIMIT, client.idPattern]).toEqual([STREAM_PATH, WATCH_LIMIT, idPattern]);
  expect(Object.values(client.closes).filter((code) => !(code in gateway.closeCodes))).toEqual([]);
  expect(gateway.closeCodes[client.closes.tooFast]).toContain('5 s');
});
