/**
 * The shortest story that still breaks the same invariant.
 *
 * Parts are left out, half of them at first, then fewer (delta debugging): clients, then faults, then acts; the end is drawn to
 * just behind the break; what is left is made plainer (no losses, shorter faults). Each try is one play of the story. It is
 * the shortest that this finds within `tries`, not the shortest there is.
 */
import type { Broken } from './invariants.ts';
import type { ClientStory, Story } from './story.ts';
import { type Outcome, type PlayOptions, play } from './world.ts';

export interface Shrunk {
  readonly story: Story;
  readonly broken: Broken;
  readonly tries: number;
}

export interface ShrinkOptions extends PlayOptions {
  /** Most plays. Default 300. */
  readonly tries?: number;
  readonly onTry?: (tries: number, story: Story) => void;
}

/** `broken`: how the whole story breaks. */
export async function shrink(whole: Story, broken: Broken, options: ShrinkOptions = {}): Promise<Shrunk> {
  const search = new Search(whole, broken, options);
  await search.endEarly();
  for (let before = -1; before !== search.size && !search.done; ) {
    before = search.size;
    await search.fewer(
      (story) => story.clients,
      (story, clients) => ({ ...story, clients }),
    );
    await search.fewer(
      (story) => story.faults,
      (story, faults) => ({ ...story, faults }),
    );
    for (const { index } of search.story.clients) {
      const acts = (story: Story) => story.clients.find((client) => client.index === index)?.acts ?? [];
      await search.fewer(acts, (story, left) => withClient(story, index, (client) => ({ ...client, acts: left })));
    }
    await search.endEarly();
    await search.plainer();
  }
  return { story: search.story, broken: search.broken, tries: search.tries };
}

const withClient = (story: Story, index: number, change: (client: ClientStory) => ClientStory): Story => ({
  ...story,
  clients: story.clients.map((client) => (client.index === index ? change(client) : client)),
});

class Search {
  story: Story;
  broken: Broken;
  tries = 0;
  readonly #options: ShrinkOptions;
  readonly #limit: number;

  constructor(story: Story, broken: Broken, options: ShrinkOptions) {
    this.story = story;
    this.broken = broken;
    this.#options = options;
    this.#limit = options.tries ?? 300;
  }

  get done(): boolean {
    return this.tries >= this.#limit;
  }

  /** All parts of the story that is left. */
  get size(): number {
    const { clients, faults } = this.story;
    return clients.reduce((sum, { acts }) => sum + 1 + acts.length, faults.length);
  }

  /** Leaves parts out: half of them, then fewer, as long as the rest breaks. */
  async fewer<T>(partsOf: (story: Story) => readonly T[], put: (story: Story, parts: readonly T[]) => Story): Promise<void> {
    for (let size = Math.ceil(partsOf(this.story).length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < partsOf(this.story).length && !this.done; ) {
        const parts = partsOf(this.story);
        const rest = [...parts.slice(0, at), ...parts.slice(at + size)];
        if (!(await this.#breaks(put(this.story, rest)))) at += size;
      }
    }
  }

  /** Nothing happens after the break. */
  async endEarly(): Promise<void> {
    const ends_ms = Math.ceil(this.broken.at);
    if (ends_ms < this.story.ends_ms) await this.#breaks(this.#until(ends_ms));
  }

  async plainer(): Promise<void> {
    const { story } = this;
    const loss = (client: ClientStory): ClientStory => ({ ...client, path: { ...client.path, loss: 0 } });
    if (story.clients.some(({ path }) => path.loss > 0)) await this.#breaks({ ...story, clients: story.clients.map(loss) });
    for (const kind of ['gateways', 'instances', 'partitions'] as const) {
      if (this.story[kind] > 1) await this.#breaks({ ...this.story, [kind]: 1 });
    }
  }

  #until(ends_ms: number): Story {
    const clients = this.story.clients.map((client) => ({ ...client, acts: client.acts.filter(({ at }) => at <= ends_ms) }));
    return { ...this.story, ends_ms, clients, faults: this.story.faults.filter(({ at }) => at <= ends_ms) };
  }

  /** Plays it; where it breaks in the same way it is the story from now on. */
  async #breaks(story: Story): Promise<boolean> {
    if (this.done) return false;
    this.tries += 1;
    this.#options.onTry?.(this.tries, story);
    const { broken }: Outcome = await play(story, this.#options);
    if (broken?.invariant !== this.broken.invariant) return false;
    this.story = story;
    this.broken = broken;
    return true;
  }
}
