/**
 * Seals what a cursor must not tell: positions of presence.diffs move whenever anybody does something, an invisible user too.
 *
 * **Model.** AES-256-GCM under a key of the hour, drawn from the secret that all gateways of an installation share
 * (secrecy.ts): any of them opens what another sealed. A nonce is random; a key that lives for an hour seals far fewer texts
 * than 96 random bits bear. Texts are padded to PAD_BYTES, so that their length tells nothing either. **Two texts that are equal
 * would tell that nothing has moved between them**: so a text is made anew for each millisecond, whatever it says, and within
 * one it is made once for all frames.
 *
 * What another secret sealed cannot be told from what was forged: neither can be opened.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { clock } from '../base/clock.ts';
import { cursorKey } from './secrecy.ts';

const HOUR_MS = 3_600_000;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PAD_BYTES = 32;
/** Hours since 1970 in four bytes, the nonce, the tag. */
const SEALED_HEAD = 4 + NONCE_BYTES + TAG_BYTES;

/** Keys of the last hours that were asked for, and the secret that they are of. */
const keys = new Map<number, Buffer>();
const HOUR_KEYS_MAX = 4;
let secret: Buffer | null = null;

function keyOf(hour: number): Buffer {
  if (secret !== cursorKey()) {
    secret = cursorKey();
    keys.clear();
    last = null;
  }
  let key = keys.get(hour);
  if (key === undefined) {
    key = createHmac('sha256', secret).update(`hour ${hour}`).digest();
    if (keys.size >= HOUR_KEYS_MAX) keys.clear();
    keys.set(hour, key);
  }
  return key;
}

let last: { readonly at: number; readonly text: string; readonly sealed: string } | null = null;

/** `text` holds no space at its end. `at`: now, ms; one text for the same text and moment. */
export function seal(text: string, at: number): string {
  const hour = Math.floor(at / HOUR_MS);
  const key = keyOf(hour);
  if (last?.at === at && last.text === text) return last.sealed;
  const nonce = Buffer.from(clock.randomHex(NONCE_BYTES), 'hex');
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const padded = text.padEnd(Math.ceil(text.length / PAD_BYTES) * PAD_BYTES);
  const body = Buffer.concat([cipher.update(padded, 'latin1'), cipher.final()]);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(hour);
  const sealed = Buffer.concat([head, nonce, cipher.getAuthTag(), body]).toString('base64url');
  last = { at, text, sealed };
  return sealed;
}

/** null where it cannot be opened: sealed with another secret, or not by us. */
export function open(sealed: string): string | null {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < SEALED_HEAD) return null;
  const nonce = bytes.subarray(4, 4 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', keyOf(bytes.readUInt32BE(0)), nonce);
  decipher.setAuthTag(bytes.subarray(4 + NONCE_BYTES, SEALED_HEAD));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(SEALED_HEAD)), decipher.final()])
      .toString('latin1')
      .trimEnd();
  } catch {
    return null;
  }
}
