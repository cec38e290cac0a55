/**
 * Asks other processes for their figures, so that one /topology shows them all.
 *
 * **Model.** Each URL names a process, or several: a host name with several addresses (a headless Service in Kubernetes)
 * stands for each of them, looked up anew each time. All are asked at once, each for `ASK_MS` at most; who does not answer
 * is shown as such, and holds nobody up. Only the URLs that this process was started with are ever asked.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { counter } from '../base/metrics.ts';
import type { ProcessFigures } from './figures.ts';

/** A process that did not say what it does. */
export interface Unheard {
  readonly url: string;
  readonly problem: string;
}

/** Processes asked at most; those beyond it are named as not asked. */
export const PEERS_MAX = 100;
/** Of one answer; a longer one is not read. */
export const PEER_ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const ASK_MS = 1_000;

const asked = counter(
  'presence_topology_peers_total',
  'Other processes asked for their figures, by outcome: answered, unheard.',
  ['outcome'],
);

export async function askPeers(urls: readonly string[]): Promise<readonly (ProcessFigures | Unheard)[]> {
  const targets = (await Promise.all(urls.map(addressesOf))).flat();
  const answers = await Promise.all(targets.slice(0, PEERS_MAX).map((one) => ('problem' in one ? one : ask(one.url))));
  const rest = targets.slice(PEERS_MAX).map(({ url }) => ({ url, problem: `not asked: more than ${PEERS_MAX} processes` }));
  for (const answer of [...answers, ...rest]) asked.inc({ outcome: 'problem' in answer ? 'unheard' : 'answered' });
  return [...answers, ...rest];
}

/** One URL for each address of its host. A certificate is the name's: with TLS the name is kept. */
async function addressesOf(url: string): Promise<readonly ({ readonly url: string } | Unheard)[]> {
  const parsed = new URL(url);
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  if (parsed.protocol === 'https:' || isIP(host) !== 0 || host === 'localhost') return [{ url }];
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address, family }) => {
      const one = new URL(url);
      one.hostname = family === 6 ? `[${address}]` : address;
      return { url: one.href };
    });
  } catch (error) {
    return [{ url, problem: said(error) }];
  }
}

async function ask(url: string): Promise<ProcessFigures | Unheard> {
  try {
    const response = await fetch(new URL('/topology.json', url), { signal: AbortSignal.timeout(ASK_MS), redirect: 'error' });
    if (!response.ok) return { url, problem: `answered ${response.status}` };
    const figures: unknown = JSON.parse(await textOf(response));
    return isFigures(figures) ? figures : { url, problem: 'its answer is no topology: another version, or another service' };
  } catch (error) {
    return { url, problem: said(error) };
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > PEER_ANSWER_BYTES_MAX) throw new Error(`its answer is longer than ${PEER_ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const isFigures = (given: unknown): given is ProcessFigures => {
  const { spec, instance, partitions } = (given ?? {}) as Partial<ProcessFigures>;
  return Array.isArray(spec?.stages) && typeof instance === 'string' && Array.isArray(partitions);
};

function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${ASK_MS} ms`;
  // fetch says only that it failed; why is its cause.
  return error.cause instanceof Error ? error.cause.message : error.message;
}
