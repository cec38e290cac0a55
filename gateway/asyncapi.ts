/**
 * The AsyncAPI 3.0 document of the stream: its messages from the schemas with which frames are checked, with what each is
 * for, an example, and what answers it. In its words the application is the gateway: it receives what clients send.
 */
import { z } from 'zod';
import { STREAM_PATH } from './http/routes.ts';
import { type FrameType, frames } from './validation/frames.ts';
import { serverFrames } from './validation/server-frames.ts';
import { type ClientFrame, closeCodes, frameErrors, type ServerFrame, SUBPROTOCOL } from './ws/protocol.ts';

type Json = Readonly<Record<string, unknown>>;
type ServerFrameType = ServerFrame['type'];

interface Message<F> {
  readonly summary: string;
  readonly example: F;
}

interface Asked<F> extends Message<F> {
  /** What may answer it, beside an error. */
  readonly answers?: readonly ServerFrameType[];
}

const times = { since: '2026-01-01T12:00:00.000Z', last_seen: '2026-01-01T12:30:00.000Z', fresh_at: '2026-01-01T12:30:00.000Z' };
const bob = { user_id: 'bob', state: 'online', source: 'app', ...times, stale: false, epoch: 1, version: 7, devices: 1 } as const;
const trace_id = '4bf92f3577b34da6a3ce929d0e0e4736';

const asked: { readonly [T in FrameType]: Asked<Extract<ClientFrame, { readonly type: T }>> } = {
  hello: {
    summary: 'Binds the connection to a device; from then on each ping and pong is a heartbeat too.',
    example: { type: 'hello', device_id: 'phone', session_id: 's1', state: 'online' },
  },
  heartbeat: {
    summary: 'A heartbeat, with or without a change of state; with `ack` it is answered once the log has it.',
    example: { type: 'heartbeat', seq: 1, state: 'busy', ack: true },
    answers: ['ack'],
  },
  goodbye: { summary: 'A clean leave: the device counts for a second more, then for nothing.', example: { type: 'goodbye' } },
  token: { summary: 'A fresh token on a live connection, of the same user.', example: { type: 'token', token: 'dev:ada' } },
  subscribe: {
    summary: 'Watches more users, up to 10,000 a connection.',
    example: { type: 'subscribe', user_ids: ['bob'] },
    answers: ['snapshot'],
  },
  unsubscribe: { summary: 'Watches these no more.', example: { type: 'unsubscribe', user_ids: ['bob'] } },
  resume: {
    summary:
      'After a reconnect, within 5 minutes and on any gateway: watches again, and each user that changed since comes once. ' +
      'Later than that a snapshot comes.',
    example: { type: 'resume', cursor: 'eyJ2IjoxfQ', user_ids: ['bob'] },
    answers: ['diffs', 'snapshot'],
  },
};

const told: { readonly [T in ServerFrameType]: Message<Extract<ServerFrame, { readonly type: T }>> } = {
  welcome: {
    summary: 'Comes first.',
    example: { type: 'welcome', heartbeat_ms: 1_000, ttl_ms: 3_000, connection_id: 'c1' },
  },
  snapshot: {
    summary: 'The present state of users: at first of the user and their kept list, then of those just subscribed to.',
    example: { type: 'snapshot', presences: [bob], cursor: 'eyJ2IjoxfQ' },
  },
  diffs: {
    summary:
      'What changed. Of a user versions rise, and may leave some out; `from` is what this connection was last sent. ' +
      'An empty one brings a fresh cursor.',
    example: {
      type: 'diffs',
      diffs: [
        {
          user_id: 'bob',
          from: 'online',
          to: 'busy',
          at: '2026-01-01T12:31:00.000Z',
          epoch: 1,
          version: 8,
          cause: 'signal',
          source: 'app',
          trace_id,
        },
      ],
      cursor: 'eyJ2IjoxfQ',
    },
  },
  ack: { summary: 'The log has that heartbeat.', example: { type: 'ack', seq: 1 } },
  error: {
    summary: 'What was refused, and why. The connection stays unless the fault is grave; then a close follows.',
    example: { type: 'error', code: 'hello_first', detail: frameErrors.hello_first },
  },
  drain: {
    summary: 'This gateway is being emptied: go to another after this long.',
    example: { type: 'drain', reconnect_in_ms: 250 },
  },
};

/** AsyncAPI's schemas are JSON Schema of draft 7; what is shared (has an id) goes into the components. */
function payloadOf(schema: z.ZodType, io: 'input' | 'output'): { readonly payload: Json; readonly shared: Json } {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, target: 'draft-7', unrepresentable: 'any' });
  const text = JSON.stringify(json).replaceAll('#/definitions/', '#/components/schemas/');
  const { definitions = {}, ...payload } = JSON.parse(text) as Json & { readonly definitions?: Json };
  return { payload, shared: definitions };
}

const messageOf = (name: string, { summary, example }: Message<object>, payload: Json): Json => ({
  name,
  summary,
  contentType: 'application/json',
  payload,
  examples: [{ payload: example }],
});

const onChannel = (name: string): Json => ({ $ref: `#/channels/stream/messages/${name}` });
const channel = { $ref: '#/channels/stream' };

function operations(): Record<string, Json> {
  const all: Record<string, Json> = {};
  for (const [name, { summary, answers }] of Object.entries<Asked<object>>(asked)) {
    const reply = answers === undefined ? {} : { reply: { channel, messages: [...answers, 'error'].map(onChannel) } };
    all[`receive_${name}`] = { action: 'receive', channel, summary, messages: [onChannel(name)], ...reply };
  }
  for (const [name, { summary }] of Object.entries(told))
    all[`send_${name}`] = { action: 'send', channel, summary, messages: [onChannel(name)] };
  return all;
}

function components(): { readonly messages: Json; readonly schemas: Json } {
  const messages: Record<string, Json> = {};
  const schemas: Record<string, unknown> = {};
  const add = (name: string, message: Message<object>, schema: z.ZodType, io: 'input' | 'output'): void => {
    const { payload, shared } = payloadOf(schema, io);
    messages[name] = messageOf(name, message, payload);
    Object.assign(schemas, shared);
  };
  for (const [name, message] of Object.entries(asked)) add(name, message, frames[name as FrameType], 'input');
  for (const [name, message] of Object.entries(told)) add(name, message, serverFrames[name as ServerFrameType], 'output');
  return { messages, schemas };
}

const security = [{ $ref: '#/components/securitySchemes/bearer' }, { $ref: '#/components/securitySchemes/access_token' }];

export function asyncApiDocument(): Json {
  const { messages, schemas } = components();
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Presence',
      version: '1',
      description: 'Who is online? The stream; /openapi.json has the rest.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      gateway: {
        host: '{host}',
        protocol: 'ws',
        description: 'Any gateway, or the balancer before them; wss where it has a certificate.',
        variables: { host: { default: '127.0.0.1:8080' } },
        security,
      },
    },
    channels: {
      stream: {
        address: STREAM_PATH,
        title: `Subprotocol ${SUBPROTOCOL}`,
        description:
          'JSON in text frames. The token comes in the Authorization header, as a second subprotocol bearer.<JWT>, or as ' +
          'access_token. Fields and types of frames may be added: leave what you do not know alone.',
        messages: Object.fromEntries(Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }])),
        bindings: {
          ws: {
            method: 'GET',
            query: { type: 'object', properties: { access_token: { type: 'string' } } },
            headers: { type: 'object', properties: { 'Sec-WebSocket-Protocol': { type: 'string' } } },
          },
        },
        'x-close-codes': closeCodes,
        'x-error-codes': frameErrors,
      },
    },
    operations: operations(),
    components: {
      messages,
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        access_token: { type: 'httpApiKey', name: 'access_token', in: 'query' },
      },
    },
  };
}
