/** What `presence up` prints once it is ready: the URL, how to get a token, two commands to try. */
import type { Settings } from './config.ts';

const watching = (stream: string): string =>
  `new (require('ws'))('${stream}','presence.v1')` +
  `.on('open',function(){this.send(JSON.stringify({type:'subscribe',user_ids:['ada']}))}).on('message',m=>console.log(''+m))`;

export function readyText(settings: Settings, url: string | null, port: number): string {
  if (url === null) {
    const at = `http://${settings.host}:${port}`;
    return `presence is up: ${settings.roles.join(', ')}. Watch it: ${at}/topology; /readyz, /metrics\n`;
  }
  const development = settings.authJwtSecret === undefined && settings.authJwksUrl === undefined;
  const own = `${url.startsWith('https') ? 'https' : 'http'}://${settings.host}:${port}`;
  const ops = settings.opsPort === undefined ? [] : [`This process alone: ${own}/readyz, /metrics, /topology`];
  const lines = [`presence is up: ${url}`, ...ops, `The topology as it runs: ${url}/topology`, ''];
  if (development) {
    lines.push(
      'Development tokens: dev:<user_id> reads and writes as that user, dev-admin:<user_id> may do all (on loopback only).',
    );
  } else if (settings.authJwtSecret !== undefined) {
    lines.push('A token signed with AUTH_JWT_SECRET: npx presence token <user_id>');
  } else {
    lines.push(`Tokens are checked with the keys at ${settings.authJwksUrl}.`);
  }
  const [ada, bob] = development ? ['dev:ada', 'dev:bob'] : ['$ADA', '$BOB'];
  const stream = `${url.replace(/^http/, 'ws')}/presence/stream?access_token=${bob}`;
  lines.push(
    '',
    'Watch ada, as bob (in this folder):',
    `  node -e "${watching(stream)}"`,
    '',
    'Say that ada is online, for a minute:',
    `  curl ${url}/presence/heartbeat -H "authorization: Bearer ${ada}" -H 'content-type: application/json' \\`,
    `    -d '{"device_id":"laptop","session_id":"s1","seq":'$(date +%s)'}'`,
    '',
  );
  return `${lines.join('\n')}\n`;
}
