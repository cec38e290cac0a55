import { afterEach, describe, expect, test } from 'vitest';
import { type Cursor, decodeCursor, encodeCursor } from './cursor.ts';
import { useSecret } from './secrecy.ts';

const at = 1_767_225_600_000;
const cursor: Cursor = {
  at,
  epoch: 1_767_225_600,
  positions: [0, -1, 123_456, 2 ** 53 - 1],
  withheld: new Map([['acme/bob', { epoch: 7, version: 3, state: 'away' }]]),
  incomplete: false,
};
const none = { ...cursor, withheld: new Map() };
const secret = 'a secret that all gateways share, of more than 32 characters';
afterEach(() => useSecret('no secret was set'));

describe('A cursor', () => {
  test('says after decoding what it said before', () => {
    for (const one of [cursor, none, { ...cursor, incomplete: true }, { ...none, incomplete: true, positions: [-1] }])
      expect(decodeCursor(encodeCursor(one))).toEqual(one);
  });

  test('is opened by every gateway with its secret; with another it is of no use, and no error', () => {
    useSecret(secret);
    const text = encodeCursor(cursor);
    useSecret(`${secret}, another`);
    expect(decodeCursor(text)).toMatchObject({ incomplete: true, positions: [] });
    useSecret(secret);
    expect(decodeCursor(text)).toEqual(cursor);
  });

  test('is an error with any one character changed, left out or added', () => {
    const text = encodeCursor({ ...cursor, incomplete: true });
    for (let i = 0; i <= text.length; i += 1) {
      const other = text[i] === 'A' ? 'B' : 'A';
      for (const garbled of [text.slice(0, i) + other + text.slice(i + 1), text.slice(0, i) + text.slice(i + 1), text + text[i]])
        if (garbled !== text) expect(() => decodeCursor(garbled), `${i}: ${garbled}`).toThrow('cursor');
    }
  });

  test('tells nothing of positions: no digit of them, no length, and no two of different moments are equal', () => {
    const told = (positions: readonly number[], when = at) => encodeCursor({ ...none, positions, at: when });
    const texts = [told([35]), told([36]), told([35], at + 1), told([35], at + 2)];
    expect(new Set(texts.map((text) => text.split('.')[0]?.length)).size).toBe(1);
    expect(new Set(texts).size).toBe(texts.length);
    const clear = Buffer.from(told([123_456]).split('.')[0] ?? '', 'base64url').toString('latin1');
    expect(clear).not.toContain((123_456).toString(36));
    expect(told([35])).toBe(told([35]));
  });

  test('of before cursors were sealed is of no use, and no error', () => {
    const before = Buffer.from(JSON.stringify({ v: 1, t: at, e: 7, p: '1.2', w: [] })).toString('base64url');
    expect(decodeCursor(before)).toMatchObject({ incomplete: true });
  });
});
