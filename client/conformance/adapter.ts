/** Our own client as the conformance suite speaks to it: an example for those who write one in another language. */
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { createPresenceClient, type DeviceState, type PresenceClient } from '../index.ts';

interface Command {
  readonly do: 'connect' | 'subscribe' | 'unsubscribe' | 'state' | 'goodbye' | 'close' | 'token' | 'report';
  readonly url: string;
  readonly token: string | null;
  readonly device_id: string;
  readonly session_id: string;
  readonly state?: DeviceState;
  readonly user_ids: readonly string[];
  readonly quiet_ms?: number;
  readonly patience_ms?: number;
}

const say = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

let client: PresenceClient | undefined;
let giveToken: (token: string) => void = () => {};
/** Told before there is a client. */
const early = new Set<string>();

const askToken = (): Promise<string> => {
  say({ event: 'token_wanted' });
  return new Promise((given) => {
    giveToken = given;
  });
};

function connect({ url, token, device_id, session_id, state, quiet_ms, patience_ms }: Command): PresenceClient {
  const made = createPresenceClient({
    url,
    token: token ?? askToken,
    deviceId: device_id,
    sessionId: session_id,
    WebSocket,
    ...(state === undefined ? {} : { state }),
    ...(quiet_ms === undefined ? {} : { quiet_ms }),
    ...(patience_ms === undefined ? {} : { patience_ms }),
  });
  made.on('presence', (changes) => {
    for (const { presence } of changes) {
      const { user_id, state, epoch, version } = presence;
      say({ event: 'presence', user_id, state, epoch, version });
    }
  });
  made.on('connection', ({ status }) => say({ event: 'connection', status }));
  made.on('error', ({ code }) => say({ event: 'error', code }));
  made.subscribe([...early]);
  made.connect();
  return made;
}

function obey(command: Command): void {
  if (command.do === 'connect') client = connect(command);
  else if (command.do === 'token') giveToken(command.token as string);
  else if (command.do === 'subscribe' && client === undefined) for (const id of command.user_ids) early.add(id);
  else if (command.do === 'subscribe') client?.subscribe(command.user_ids);
  else if (command.do === 'unsubscribe') client?.unsubscribe(command.user_ids);
  else if (command.do === 'state') client?.setState(command.state as DeviceState);
  else if (command.do === 'goodbye') client?.goodbye();
  else if (command.do === 'close') client?.close();
  else if (command.do === 'report') {
    const presences = [...(client?.presences.values() ?? [])].map(({ user_id, state, epoch, version }) => ({
      user_id,
      state,
      epoch,
      version,
    }));
    say({ event: 'report', presences });
  }
}

createInterface({ input: process.stdin }).on('line', (line) => obey(JSON.parse(line) as Command));
say({ event: 'ready' });
