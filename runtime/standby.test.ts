/** A standby's image holds every record of the state topic up to where it says, whatever is late. */
import { expect, test } from 'vitest';
import { silentLogger } from '../base/logger.ts';
import type { FollowOptions, Log } from '../ports/log.ts';
import type { StateImage } from './image-state.ts';
import { createEmbeddedLog } from './log-embedded.ts';
import { Standbys } from './standby.ts';

const topic = 'state';

/** A state topic, and standbys of it whose followers hand nothing over until they are let. */
async function setUp() {
  const log = await createEmbeddedLog();
  await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
  const producer = await log.producer();
  const write = (...keys: readonly string[]) =>
    producer.send([{ topic, records: keys.map((key) => ({ key, value: Buffer.from(key), partition: 0 })) }]);
  const held: (() => Promise<void>)[] = [];
  const trouble = { refuses: false };
  const follow: Log['follow'] = async (options: FollowOptions) => {
    if (trouble.refuses) throw new Error('The log cannot be followed.');
    return log.follow({ ...options, onBatch: async (batch) => void held.push(() => options.onBatch(batch)) });
  };
  const let_ = async (): Promise<void> => {
    for (let idle = 0; idle < 10; idle += 1) {
      for (const hand of held.splice(0)) await hand();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const standbys = new Standbys({
    log: { follow },
    topic,
    keyOf: (partition) => `#${partition}`,
    read: async () => null,
    logger: silentLogger,
    onWarm: () => {},
  });
  /** What an owner has, who reads all there is. */
  const owned = async (image: StateImage): Promise<StateImage> => {
    await log.read({ topic, partition: 0, from: image.next, onBatch: (batch) => image.apply(batch) });
    return image;
  };
  const end = async (): Promise<void> => {
    await standbys.close();
    await log.close();
  };
  return { standbys, write, let_, owned, trouble, end };
}

const keysOf = (image: StateImage | null): string[] => {
  const keys: string[] = [];
  image?.records.each((slot) => keys.push(image.records.keyOf(slot)));
  return keys.sort();
};

test('what an earlier follower still brings is no part of an image that has come back from its owner', async () => {
  const { standbys, write, let_, owned, end } = await setUp();
  await write('a', 'b');
  standbys.assign([0], []);
  await let_();
  // It becomes the owner, whose image goes on; the follower has read what comes next, and hands it over late.
  const image = standbys.release(0) as StateImage;
  await write('c', 'd');
  await owned(image);
  standbys.keep(0, image);
  await let_();
  await write('e');
  await let_();
  expect(keysOf(standbys.release(0))).toEqual(['a', 'b', 'c', 'd', 'e']);
  await end();
});

test('standbys that cannot be followed are not warm, however near they were', async () => {
  const { standbys, write, let_, trouble, end } = await setUp();
  await write('a', 'b');
  standbys.assign([0], []);
  await let_();
  expect([...standbys.lags]).toEqual([[0, 0]]);
  expect(standbys.isWarm(0)).toBe(true);
  trouble.refuses = true;
  standbys.assign([0], []);
  await let_();
  expect([...standbys.lags]).toEqual([]);
  expect(standbys.isWarm(0)).toBe(false);
  trouble.refuses = false;
  standbys.assign([0], []);
  await let_();
  expect(standbys.isWarm(0)).toBe(true);
  await end();
});
