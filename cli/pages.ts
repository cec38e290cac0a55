/**
 * The pages of this process, for gateways and for the ops server alike: the files of web/ and docs/, and what is said of
 * the topology as it runs:
 *
 * - `/topology`: the page (web/topology.html), which draws the spec with its figures;
 * - `/topology.json`: this process's spec and figures (figures.ts);
 * - `/topology/live`: the same of this process and of those in TOPOLOGY_URLS, for the page;
 * - `/client.js`: the client library as one module (web/client.js, with what it imports), for the live page.
 *
 * Anyone may ask, so both are made at most once in FRESH_MS, whoever asks.
 */
import { fileURLToPath } from 'node:url';
import { type LivePage, loadPages, type Pages } from '../gateway/http/pages.ts';
import { clientBundle } from './client-bundle.ts';
import { figuresOf, type ProcessFigures, type Watched } from './figures.ts';
import { askPeers, type Unheard } from './peers.ts';

const FRESH_MS = 500;

const folder = (name: string): string => fileURLToPath(new URL(`../${name}/`, import.meta.url));

export interface PagesOptions {
  readonly watched: Watched;
  /** Other processes whose figures are shown beside this one's. */
  readonly urls: readonly string[];
  /** No other process can take part: the log is in this one. */
  readonly alone: boolean;
}

/** What `/topology/live` says. */
export interface Live {
  readonly processes: readonly (ProcessFigures | Unheard)[];
  /** Whether these are all there are, so that a partition which none of them shows has no owner. */
  readonly complete: boolean;
}

export async function ownPages(options: PagesOptions): Promise<Pages> {
  const [web, docs, client] = await Promise.all([loadPages(folder('web')), loadPages(folder('docs'), '/docs/'), clientBundle()]);
  return new Map([...docs, ...web, ['/client.js', client], ...topologyPages(options)]);
}

function topologyPages({ watched, urls, alone }: PagesOptions): Pages {
  const own = shared(() => figuresOf(watched));
  const all = async (): Promise<Live> => {
    const [mine, others] = await Promise.all([own(), askPeers(urls)]);
    // A Service's addresses may be this process's own too, and two URLs may lead to one process.
    const seen = new Set([mine.instance]);
    const more = others.filter((one) => 'problem' in one || (!seen.has(one.instance) && seen.add(one.instance)));
    const complete = alone || (urls.length > 0 && others.every((one) => !('problem' in one)));
    return { processes: [mine, ...more], complete };
  };
  return new Map([
    ['/topology.json', json(own)],
    ['/topology/live', json(shared(all))],
  ]);
}

const json = (value: () => Promise<unknown>): LivePage => ({
  type: 'application/json',
  live: async () => JSON.stringify(await value()),
});

/** Made when asked for, and handed to all who ask within FRESH_MS; a failure to none but those who wait for it. */
function shared<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  let at = 0;
  return () => {
    if (made !== null && performance.now() - at < FRESH_MS) return made;
    const now = make();
    made = now;
    at = performance.now();
    now.catch(() => {
      if (made === now) made = null;
    });
    return now;
  };
}
