/** The system is broken on purpose, in one place each time: the simulation must find it, and tell a short story of it. */
import { afterEach, describe, expect, test } from 'vitest';
import { OutboxQueue } from '../../gateway/outbox-queue.ts';
import { LoopClock } from '../../gateway/stall.ts';
import { Wheel } from '../../gateway/wheel.ts';
import { type PresenceWiring, presenceWiring } from '../../replay/wiring.ts';
import { Committer } from '../../runtime/committer.ts';
import { Feeder } from '../../runtime/feeding.ts';
import type { Signal } from '../../schemas/generated.ts';
import type { Broken, InvariantName } from '../../simulation/invariants.ts';
import { Link } from '../../simulation/link.ts';
import { shrink } from '../../simulation/shrink.ts';
import { type Story, tellStory } from '../../simulation/story.ts';
import { storyInWords } from '../../simulation/tell.ts';
import { type PlayOptions, play } from '../../simulation/world.ts';
import { presence } from '../../topology/presence.ts';

interface Mutant {
  readonly name: string;
  readonly found: readonly InvariantName[];
  /** The first seed tried: one that finds it, or a few before. */
  readonly seed: number;
  /** Whether the story is shrunk too: that takes a while. */
  readonly shrunk?: true;
  /** Breaks a prototype; or the wiring. */
  readonly patch?: () => void;
  readonly wiring?: NonNullable<PlayOptions['wiring']>;
}

let mends: (() => void)[] = [];
afterEach(() => {
  for (const mend of mends) mend();
  mends = [];
});

/** Puts another method (or getter) in its place until the test is over. */
function replaceIn(prototype: object, name: string, other: PropertyDescriptor): void {
  const own = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
  Object.defineProperty(prototype, name, { ...own, ...other });
  mends.push(() => Object.defineProperty(prototype, name, own));
}

/** Every silence and goodbye bears the connection that last said hello of its device: as if nobody asked who holds it. */
function anyoneEnds(wiring: PresenceWiring): PresenceWiring {
  const holders = new Map<string, string | null>();
  const { input } = wiring.codecs;
  const decode = (bytes: Buffer): Signal => {
    const signal = input.decode(bytes);
    const key = `${signal.user_id}/${signal.device_id}`;
    if (signal.kind === 'hello') holders.set(key, signal.connection_id);
    const ends = signal.kind === 'silence' || signal.kind === 'goodbye';
    return ends ? { ...signal, connection_id: holders.get(key) ?? signal.connection_id } : signal;
  };
  return { ...wiring, codecs: { ...wiring.codecs, input: { encode: (value) => input.encode(value), decode } } };
}

const mutants: readonly Mutant[] = [
  {
    name: 'a hole in the log is taken for silence',
    seed: 1,
    found: ['beating', 'detection', 'truth'],
    wiring: (_, codecs) => presenceWiring(codecs, { topology: presence.timedBy(null) }),
  },
  {
    name: "a gateway takes its own stall for its clients' silence",
    seed: 90,
    found: ['beating'],
    patch() {
      replaceIn(LoopClock.prototype, 'loop', {
        get(this: LoopClock) {
          return this.real;
        },
      });
    },
  },
  {
    name: 'a commit whose answer was lost is written again without a look',
    seed: 4,
    found: ['chain'],
    patch: () => replaceIn(Committer.prototype, 'compare', { value: () => 'again' }),
  },
  {
    name: 'a restore leaves the tail of the input out',
    seed: 2,
    found: ['replay', 'beating', 'chain'],
    patch: () => replaceIn(Feeder.prototype, 'tail', { value: () => {} }),
  },
  {
    name: 'silence is never said',
    seed: 1,
    shrunk: true,
    found: ['detection', 'truth'],
    patch: () => replaceIn(Wheel.prototype, 'advance', { value: () => {} }),
  },
  {
    name: 'markers are not written',
    seed: 1,
    shrunk: true,
    found: ['beating'],
    patch: () => replaceIn(OutboxQueue.prototype, 'pushMarker', { value: () => {} }),
  },
  { name: 'whoever ends a hold need not be its holder', seed: 8, shrunk: true, found: ['beating'], wiring: anyoneEnds },
  {
    name: 'what the log refused is taken for written',
    seed: 2,
    found: ['ledger', 'truth', 'detection'],
    patch() {
      const real = Link.prototype.producer;
      replaceIn(Link.prototype, 'producer', {
        async value(this: Link) {
          const producer = await real.call(this);
          const offer: typeof producer.offer = async (batches) => {
            await producer.offer(batches).catch(() => {});
            const taken = { baseOffset: 0, timestamp: 0 };
            return batches.flatMap(({ topic, records }) => records.map(({ partition = 0 }) => ({ topic, partition, ...taken })));
          };
          return { ...producer, offer };
        },
      });
    },
  },
];

const SEEDS_MAX = 20;
const world = { minutes: 6, clients: 20 } as const;

async function firstBroken(
  from: number,
  options: PlayOptions,
): Promise<{ readonly story: Story; readonly broken: Broken } | null> {
  for (let seed = from; seed < from + SEEDS_MAX; seed++) {
    const story = tellStory({ ...world, seed });
    const { broken } = await play(story, options);
    if (broken !== null) return { story, broken };
  }
  return null;
}

describe('The simulation finds it, and tells a short story, when', () => {
  test.each(mutants)('$name', async ({ patch, wiring, found, seed, shrunk: shrinks }) => {
    patch?.();
    const options: PlayOptions = wiring === undefined ? {} : { wiring };
    const first = await firstBroken(seed, options);
    expect(first, `none of ${SEEDS_MAX} seeds from ${seed} on breaks`).not.toBeNull();
    const { story, broken } = first as NonNullable<typeof first>;
    expect(found).toContain(broken.invariant);
    if (!shrinks) return;
    const shrunk = await shrink(story, broken, { ...options, tries: 80 });
    const words = storyInWords(shrunk.story, shrunk.broken);
    if (process.env.TELL !== undefined) process.stdout.write(`${words}\n(${shrunk.tries} tries)\n\n`);
    expect(words).toContain(`BROKEN ${broken.invariant}`);
    expect(shrunk.story.clients.length, words).toBeLessThanOrEqual(3);
    expect(shrunk.story.faults.length, words).toBeLessThanOrEqual(2);
    // Told again from its file, it is the same.
    const again = await play(JSON.parse(JSON.stringify(shrunk.story)) as Story, options);
    expect(again.broken).toEqual(shrunk.broken);
  });
});
