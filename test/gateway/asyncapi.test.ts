/** /asyncapi.json: whole, right by AsyncAPI's own schema, and true of what the gateway takes and sends. */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { frames } from '../../gateway/validation/frames.ts';
import { serverFrames } from '../../gateway/validation/server-frames.ts';
import { parseFrame } from '../../gateway/ws/parse-frame.ts';
import { closeCodes, frameErrors } from '../../gateway/ws/protocol.ts';
import { faultsOf } from './frame-schemas.ts';
import { Client, eventually, type Rig, startRig } from './harness.ts';

interface Message {
  readonly name: string;
  readonly payload: { readonly properties: Readonly<Record<string, unknown>> };
  readonly examples: readonly { readonly payload: unknown }[];
}
interface Document {
  readonly asyncapi: string;
  readonly channels: { readonly stream: Readonly<Record<string, unknown>> };
  readonly operations: Readonly<Record<string, { readonly action: string; readonly messages: readonly { $ref: string }[] }>>;
  readonly components: { readonly messages: Readonly<Record<string, Message>> };
}

let rig: Rig;
let document: Document;
beforeAll(async () => {
  rig = await startRig();
  document = (await (await rig.fetch('/asyncapi.json', { as: '' })).json()) as Document;
});
afterAll(() => rig.close());

describe('The document', () => {
  test('is AsyncAPI 3.0.0', () => {
    const file = new URL(import.meta.resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json'));
    const schema = JSON.parse(readFileSync(file, 'utf8')) as object;
    const validate = new Ajv({ strict: false, validateFormats: false, logger: false }).compile(schema);
    validate(document);
    expect(validate.errors).toBeNull();
    expect(document.asyncapi).toBe('3.0.0');
  });

  test('every reference leads somewhere', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1]!);
    const at = (path: string): unknown =>
      path.split('/').reduce<unknown>((place, part) => (place as Record<string, unknown> | undefined)?.[part], document);
    expect(references.length).toBeGreaterThan(40);
    expect(references.filter((path) => at(path) === undefined)).toEqual([]);
  });

  test('has each frame of the protocol once, in its direction, with its example', () => {
    const [asked, told] = [Object.keys(frames), Object.keys(serverFrames)];
    expect(Object.keys(document.components.messages).sort()).toEqual([...asked, ...told].sort());
    const actions = Object.values(document.operations).map(({ action, messages: [message] }) => `${action} ${message!.$ref}`);
    const operation = (action: string) => (name: string) => `${action} #/channels/stream/messages/${name}`;
    expect(actions.sort()).toEqual([...asked.map(operation('receive')), ...told.map(operation('send'))].sort());
    const examples = Object.values(document.components.messages).flatMap((message) => message.examples);
    expect(examples.flatMap(({ payload }) => faultsOf(payload))).toEqual([]);
    expect(examples.length).toBe(asked.length + told.length);
  });

  test('says every close code and every error code', () => {
    expect(document.channels.stream).toMatchObject({ 'x-close-codes': closeCodes, 'x-error-codes': frameErrors });
  });
});

describe('What clients may say', () => {
  const hello = { type: 'hello', device_id: 'd', session_id: 's' };
  test.each([
    [hello],
    [{ ...hello, state: 'offline', source: 'inferred', more: 1 }],
    [{ ...hello, state: 'invisible' }],
    [{ ...hello, source: 'manual' }],
    [{ ...hello, device_id: 'a b' }],
    [{ ...hello, device_id: '__proto__' }],
    [{ type: 'hello', device_id: 'd' }],
    [{ type: 'heartbeat', seq: 0, ack: true }],
    [{ type: 'heartbeat', seq: -1 }],
    [{ type: 'heartbeat', seq: 1.5 }],
    [{ type: 'heartbeat' }],
    [{ type: 'subscribe', user_ids: [] }],
    [{ type: 'subscribe', user_ids: ['bob', ''] }],
    [{ type: 'subscribe', user_ids: Array(10_001).fill('u') }],
    [{ type: 'unsubscribe' }],
    [{ type: 'resume', cursor: 'x' }],
    [{ type: 'resume', cursor: '' }],
    [{ type: 'token', token: '' }],
    [{ type: 'goodbye' }],
    [{ type: 'dance' }],
  ])('%j: the document and the gateway agree', (frame) => {
    const message = new TextEncoder().encode(JSON.stringify(frame)).buffer as ArrayBuffer;
    expect(faultsOf(frame).length === 0).toBe('frame' in parseFrame(message, false));
  });
});

test('each type of frame that a gateway sends is as described', async () => {
  await rig.seed('bob');
  const client = await new Client(rig.url, { as: 'dev:ada-a' }).ready();
  client.say({ type: 'subscribe', user_ids: ['bob', 'nobody'] });
  client.say({ type: 'heartbeat', seq: 1 });
  client.say({ type: 'hello', device_id: 'd', session_id: 's' });
  client.say({ type: 'heartbeat', seq: 1, ack: true });
  await client.next('ack');
  const { cursor } = await client.next('snapshot');
  client.say({ type: 'resume', cursor });
  await client.next('diffs');
  await rig.fetch('/admin/drain', { method: 'POST', as: 'dev-admin:op', json: { over_ms: 10 } });
  await eventually(() => client.seen.has('drain'), 'the drain');
  expect([...client.seen].sort()).toEqual(Object.keys(serverFrames).sort());
  client.socket.close();
});
