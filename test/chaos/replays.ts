/**
 * A leg's input, replayed: the same topology over the same signals into fresh topics, with so many instances sharing the
 * partitions, must say the diffs that were committed live: keys, values and traces byte for byte, and in the same order.
 */
import { silentLogger } from '../../base/logger.ts';
import type { Log } from '../../ports/log.ts';
import { runReplay } from '../../replay/run.ts';
import { presenceWiring } from '../../replay/wiring.ts';
import type { ProcessingGuarantee } from '../../runtime/at-least-once.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import type { Codecs } from '../../schemas/codec.ts';
import { signal } from '../../schemas/signal.ts';
import { partitionKey, topicNames } from '../../schemas/topics.ts';
import { judgeFuture, readAll } from '../runtime/reference.ts';
import { bytesOf } from './evidence.ts';

export interface ReplayOfLegOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly brokers: readonly string[];
  readonly guarantee: ProcessingGuarantee;
  readonly instances: number;
}

/** Without what came again. */
const firsts = (said: readonly string[], guarantee: ProcessingGuarantee): readonly string[] =>
  guarantee === 'exactly_once' ? said : [...new Set(said)];

export interface ReplayOfLeg {
  readonly instances: number;
  /** Compared. */
  readonly diffs: number;
  readonly seconds: number;
  readonly faults: readonly string[];
}

export async function replayLeg({ log, codecs, brokers, guarantee, instances }: ReplayOfLegOptions): Promise<ReplayOfLeg> {
  const group = `replay-${instances}`;
  const into = { state: `${group}.state`, diffs: `${group}.diffs` };
  const began = performance.now();
  const logs = await Promise.all(
    Array.from({ length: instances }, (_, n) => createKafkaLog({ brokers, clientId: `${group}-${n}`, logger: silentLogger })),
  );
  try {
    const topic = topicNames.signals;
    await Promise.all(logs.map((own) => runReplay({ log: own, codecs, topic, group, into, logger: silentLogger })));
  } finally {
    await Promise.all(logs.map((own) => own.close()));
  }
  const faults: string[] = [];
  let compared = 0;
  for (let partition = 0; partition < (await log.partitions(topicNames.diffs)); partition += 1) {
    const [live, again, position] = await Promise.all([
      readAll(log, topicNames.diffs, partition),
      readAll(log, into.diffs, partition),
      positionOf(log, codecs, partition),
    ]);
    const said = firsts(live.map(bytesOf), guarantee);
    const differs = said.findIndex((bytes, i) => again[i] === undefined || bytes !== bytesOf(again[i]));
    const where = `replay with ${instances}, partition ${partition}`;
    if (differs >= 0) faults.push(`${where}: diff ${differs} of ${said.length} is another, or missing`);
    // The live run stopped at its position; the replay reads what lies behind it too.
    const early = again.slice(said.length).filter(({ value }) => codecs.diff.decode(value as Buffer).offset < position);
    if (early.length > 0) faults.push(`${where}: ${early.length} diffs more than there were`);
    compared += said.length;
  }
  return { instances, diffs: compared, seconds: Math.round((performance.now() - began) / 100) / 10, faults };
}

/**
 * The state that the live run left: restored from the log, carried on through ticks until nothing waits any more, it says what
 * the undisturbed run says.
 */
export async function faultsOfState(log: Log, codecs: Codecs, guarantee: ProcessingGuarantee): Promise<readonly string[]> {
  const wiring = presenceWiring(codecs);
  const faults: string[] = [];
  for (let partition = 0; partition < (await log.partitions(topicNames.signals)); partition += 1) {
    const last = (await readAll(log, topicNames.signals, partition)).at(-1);
    const future = Array.from({ length: 900 }, (_, n) => ({
      offset: (last?.offset ?? 0) + 1 + n,
      stamp: (last?.timestamp ?? 0) + 1_000 * (n + 1),
      value: signal({ kind: 'tick' }),
    }));
    const verdict = await judgeFuture(log, wiring, partition, future);
    // What is said at the very position may have been said live, or be said by what is restored.
    const expected = [...verdict.expected, ...(verdict.expectedState as string[])];
    const found = firsts([...verdict.found, ...(verdict.foundState as string[])], guarantee);
    if (expected.join('\n') !== found.join('\n'))
      faults.push(`partition ${partition}: what is restored does not go on as the undisturbed run`);
  }
  return faults;
}

async function positionOf(log: Log, codecs: Codecs, partition: number): Promise<number> {
  const own = (await readAll(log, topicNames.state, partition)).filter(({ key }) => String(key) === partitionKey(partition));
  const value = own.at(-1)?.value;
  return value === undefined || value === null ? 0 : codecs.partitionState.decode(value).offset;
}
