/** A spec to compare with: a file, a running system, or a file as git has it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { PresenceError } from '../../../base/errors.ts';
import { summary } from '../../../gateway/validation/faults.ts';
import type { TopologySpec } from '../../../topology/kit/index.ts';
import type { JoinedSystemSpec } from '../../../topology/kit/joined-describe.ts';
import { joinedShape, specShape } from './spec-shape.ts';

/** How long a running system may take to say its spec. */
const ANSWER_WITHIN_MS = 5_000;

export const readAgainst = async (place: string): Promise<TopologySpec> => (await specAt(place, specShape)) as TopologySpec;

/** Of a joined topology. A running system says the spec of the other one alone. */
export const readJoined = async (place: string): Promise<JoinedSystemSpec> =>
  (await specAt(place, joinedShape)) as JoinedSystemSpec;

async function specAt(place: string, shape: typeof specShape | typeof joinedShape): Promise<unknown> {
  const text = /^https?:\/\//.test(place) ? await fetched(place) : existsSync(place) ? readFileSync(place, 'utf8') : shown(place);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw unusable(place, `is no JSON: ${(cause as Error).message}`, cause);
  }
  // A running system says its figures beside its spec.
  const spec = isObject(json) && isObject(json['spec']) ? json['spec'] : json;
  const parsed = shape.safeParse(spec, { reportInput: true });
  if (parsed.success) return spec;
  const { issues } = parsed.error;
  throw unusable(place, `is not what \`presence topology describe --json\` prints. ${summary(issues, 'It').replace(/\.$/, '')}`);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A system's own address means its /topology.json. */
async function fetched(place: string): Promise<string> {
  const url = new URL(place);
  if (url.pathname === '/') url.pathname = '/topology.json';
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  } catch (cause) {
    const reason = (cause as Error).cause instanceof Error ? ((cause as Error).cause as Error).message : (cause as Error).message;
    throw unusable(place, `cannot be reached: ${reason}`, cause);
  }
  if (!response.ok) throw unusable(place, `answered ${response.status} at ${url.pathname}`);
  return response.text();
}

/** `ref:path`, as `git show` has it; a ref alone means its presence.spec.json. */
function shown(place: string): string {
  const object = place.includes(':') ? place : `${place}:presence.spec.json`;
  const { status, stdout, stderr } = spawnSync('git', ['show', object], {
    cwd: new URL('../../../', import.meta.url),
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  });
  if (status === 0) return stdout;
  throw unusable(
    place,
    `is no file, no http(s) URL and no git object (git show ${object}: ${(stderr ?? '').trim().split('\n')[0]})`,
  );
}

const unusable = (place: string, what: string, cause?: unknown): PresenceError =>
  new PresenceError('BAD_SETTING', `--against ${place} ${what}.`, {
    at: '--against',
    retriable: false,
    help: 'Give a spec file, the URL of a running system, or <git ref>:presence.spec.json.',
    ...(cause === undefined ? {} : { cause }),
  });
