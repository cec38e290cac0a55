/**
 * 7. However few users are in memory, the same bytes are emitted, and nobody falls due late (processors/users.ts): with one, two
 * or five users as objects, and an idle time short and long, beside a processor that holds everyone; and restored from an
 * image at any emission, checkpoints in between or not.
 */
import { userRecords } from '../../schemas/user-outline.ts';
import { bytes, encoded, feed, fresh, type Run, same } from './laws-kit.ts';
import type { PresenceEmission, PresenceProcessor } from './partition.ts';
import { StoredMap } from './stored-map.ts';

export function imageLaws(run: Run): void {
  sideBySide(run);
  fromAnImage(run);
}

/** A processor on an image with what was committed; its runner is here. */
function onImage({ options, rnd, partition, log }: Run, committed: readonly PresenceEmission[]): PresenceProcessor {
  const { topology, codec } = options;
  const pick = (of: readonly number[]): number => of[Math.floor(rnd() * of.length)] as number;
  const stored = new StoredMap();
  const put = ({ states }: PresenceEmission): void => {
    for (const { key, value } of states) stored.put(key, codec.state.encode(value));
  };
  committed.forEach(put);
  const image = { stored, records: userRecords(codec.state), hotUsers: pick([1, 2, 5]), idle: pick([1, 500, 60_000]) };
  const processor = topology.processor(partition, image);
  processor.emissions.subscribe(put);
  const last = committed.at(-1);
  if (last !== undefined) processor.loadPartition(codec.partition.decode(codec.partition.encode(last.partition)));
  const { tailFrom, position } = processor.restore();
  const tail = log.slice(tailFrom, position);
  for (let i = 0; i < tail.length; i += 7) processor.tail({ partition, records: tail.slice(i, i + 7), nextOffset: position });
  return processor;
}

function sideBySide(run: Run): void {
  const { options, rnd, partition, log } = run;
  const { seed } = options;
  const spoken = (emissions: readonly PresenceEmission[]) =>
    emissions.map((one) => `${bytes(options, one)} ${JSON.stringify(one.controls)}`);
  for (const most of [1, 5, 60]) {
    const few = onImage(run, []);
    const all = fresh(options, partition);
    for (let i = 0; i < log.length; ) {
      const records = log.slice(i, i + 1 + Math.floor(rnd() * most));
      i += records.length;
      const batch = { partition, records, nextOffset: i };
      const at = `batch up to offset ${i}`;
      same(
        `however few users are in memory, the same is emitted (${at})`,
        seed,
        spoken(few.process(batch)),
        spoken(all.process(batch)),
      );
      const [early, due] = [few.due() ?? Number.POSITIVE_INFINITY, all.due() ?? Number.POSITIVE_INFINITY];
      if (early > due) throw new Error(`Law broken, seed ${seed}: nobody falls due late (${at})\n  ${early} instead of ${due}`);
      same(`as many devices are known (${at})`, seed, [`${few.sizes.devices}`], [`${all.sizes.devices}`]);
    }
  }
}

function fromAnImage(run: Run): void {
  const { options, rnd, partition, log, truth } = run;
  const expected = encoded(options, truth);
  const every = Math.max(1, Math.floor(truth.length / 4));
  for (let k = 1 + Math.floor(rnd() * every); k <= truth.length; k += 1 + Math.floor(rnd() * 2 * every)) {
    const processor = onImage(run, truth.slice(0, k));
    const rest = feed(processor, log.slice(processor.position), () => Math.floor(rnd() * 30));
    const law = `restored from an image, the same bytes are emitted (after emission ${k})`;
    same(law, options.seed, encoded(options, rest), expected.slice(k));
  }
  const committed: PresenceEmission[] = [];
  const spoken: PresenceEmission[] = [];
  let processor = onImage(run, []);
  // Each goes back to the last emission: without an end to them a log that says little would never be through.
  let restarts = 12;
  while (processor.position < log.length) {
    const records = log.slice(processor.position, processor.position + 1 + Math.floor(rnd() * 20));
    const emissions = processor.process({ partition, records, nextOffset: (records.at(-1)?.offset ?? -1) + 1 });
    committed.push(...emissions);
    spoken.push(...emissions);
    const checkpoint = rnd() < 0.5 ? processor.checkpoint() : null;
    if (checkpoint !== null) committed.push(checkpoint);
    if (rnd() < 0.2 && restarts > 0) {
      processor = onImage(run, committed);
      restarts -= 1;
    }
  }
  same('restored from an image again and again, the same bytes are emitted', options.seed, encoded(options, spoken), expected);
}
