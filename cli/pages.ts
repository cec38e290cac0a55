/**
 * The pages of this process, for gateways and for the ops server alike: the files of web/ and docs/, and what is said of
 * the topology as it runs:
 *
 * - `/topology`: the page (web/topology.html), which draws the spec with its figures;
 * - `/topology.json`: this process's spec and figures (figures.ts);
 * - `/topology/live`: `{processes: […]}`, the same of this process and of those in TOPOLOGY_URLS, for the page.
 *
 * Anyone may ask, so both are made at most once in FRESH_MS, whoever asks.
 */
import { fileURLToPath } from 'node:url';
import { type LivePage, loadPages, type Pages } from '../gateway/http/pages.ts';
import { figuresOf, type ProcessFigures, type Watched } from './figures.ts';
import { askPeers, type Unheard } from './peers.ts';

const FRESH_MS = 500;

const folder = (name: string): string => fileURLToPath(new URL(`../${name}/`, import.meta.url));

/** `urls`: other processes whose figures are shown beside this one's. */
export async function ownPages(watched: Watched, urls: readonly string[]): Promise<Pages> {
  const [web, docs] = await Promise.all([loadPages(folder('web')), loadPages(folder('docs'), '/docs/')]);
  return new Map([...docs, ...web, ...topologyPages(watched, urls)]);
}

function topologyPages(watched: Watched, urls: readonly string[]): Pages {
  const own = shared(() => figuresOf(watched));
  const all = async (): Promise<{ readonly processes: readonly (ProcessFigures | Unheard)[] }> => {
    const [mine, others] = await Promise.all([own(), askPeers(urls)]);
    // A Service's addresses may be this process's own too, and two URLs may lead to one process.
    const seen = new Set([mine.instance]);
    const more = others.filter((one) => 'problem' in one || (!seen.has(one.instance) && seen.add(one.instance)));
    return { processes: [mine, ...more] };
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
