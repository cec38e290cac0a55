/** What commands that talk to a running gateway share: where it is, who asks, and what its refusals say. */
import type { Command } from 'commander';
import { PresenceError } from '../../base/errors.ts';

export interface Target {
  readonly url: string;
  readonly token: string;
}

const DEFAULT_URL = 'http://127.0.0.1:8080';

/** `--url` and `--token`, or PRESENCE_URL and PRESENCE_TOKEN. */
export const withTarget = (command: Command): Command =>
  command
    .option('--url <url>', `The gateway. Default: ${DEFAULT_URL}. [PRESENCE_URL]`)
    .option('--token <token>', 'Who asks. Default: dev-admin:operator, which only a gateway on loopback takes. [PRESENCE_TOKEN]');

export function targetOf(options: Readonly<Partial<Target>>): Target {
  const url = options.url ?? process.env.PRESENCE_URL ?? DEFAULT_URL;
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new PresenceError('BAD_SETTING', `${url} is not a URL that begins with http:// or https://.`, {
      at: '--url',
      retriable: false,
    });
  }
  return { url: url.replace(/\/$/, ''), token: options.token ?? process.env.PRESENCE_TOKEN ?? 'dev-admin:operator' };
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Statuses in `expected` are answers; any other is an error that says what the gateway said. */
export async function request(
  target: Target,
  method: string,
  path: string,
  expected: readonly number[],
  body?: object,
): Promise<Answer> {
  const headers: Record<string, string> = { authorization: `Bearer ${target.token}` };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const init: RequestInit = { method, headers, signal: AbortSignal.timeout(10_000) };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(`${target.url}${path}`, init).catch((cause: unknown) => {
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
    throw new PresenceError('LOG_UNAVAILABLE', `The gateway at ${target.url} cannot be reached: ${reason}`, {
      at: target.url,
      retriable: true,
      cause,
    });
  });
  const text = await response.text();
  const parsed = parse(text);
  if (expected.includes(response.status)) return { status: response.status, body: parsed };
  const { title, detail } = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as {
    readonly title?: string;
    readonly detail?: string;
  };
  throw new PresenceError('INTERNAL', `The gateway answered ${response.status}: ${detail ?? title ?? text.slice(0, 200)}`, {
    at: path,
    retriable: false,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
