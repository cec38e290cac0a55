/**
 * The rules of exactly once, each broken once, and the test that must notice (`npm run mutations:exactly-once`): what chaos is
 * worth shows where something is wrong. Rules of presence: topology/mutations.ts.
 */
export interface BrokenRule {
  /** What is no longer so. */
  readonly breaks: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Must fail. */
  readonly test: string;
}

const law = 'test/chaos/law.test.ts';
const images = 'test/runtime/image.test.ts';
const faults = 'test/runtime/faults.test.ts';
const transactions = 'runtime/kafka/transactions.ts';

export const brokenRules: readonly BrokenRule[] = [
  {
    breaks: 'whoever lost the partition can still commit',
    file: 'runtime/embedded/transactions.ts',
    find: 'if (state.epoch !== epoch) throw fenced();\n        if (unknown)',
    replace: 'if (unknown)',
    test: law,
  },
  {
    breaks: 'a commit whose answer was lost counts as done',
    file: 'runtime/committer.ts',
    find: '    return this.settle(transaction);',
    replace: "    void this.settle;\n    return 'committed';",
    test: law,
  },
  {
    breaks: 'a commit whose answer was lost is written again, done or not',
    file: 'runtime/committer.ts',
    find: "return written ? 'committed' :",
    replace: "return written ? 'again' :",
    test: law,
  },
  {
    breaks: 'the tail of the input is not read',
    file: 'runtime/restore.ts',
    find: 'if (tailFrom < position) {',
    replace: 'if (tailFrom < position && position < 0) {',
    test: faults,
  },
  {
    breaks: 'an image is kept though what was emitted is not committed',
    file: 'runtime/partition.ts',
    find: 'this.held.dirty ? null : this.held.image',
    replace: 'this.held.image',
    test: images,
  },
  {
    breaks: 'what waits for a dead letter does not count as uncommitted',
    file: 'runtime/partition.ts',
    find: '    held.dirty = true;\n',
    replace: '    if (dead.length === 0) held.dirty = true;\n',
    test: images,
  },
  {
    breaks: 'an image says that it reaches further than it does',
    file: 'runtime/partition-take.ts',
    find: 'held.image.next = next;',
    replace: 'held.image.next = next + 20;',
    test: images,
  },
  {
    breaks: 'a commit counts before its markers are in the log',
    file: transactions,
    find: `      const { aborted } = await this.#persist(() => this.#marked(behind(pending), this.#client.patience_ms));
      if (aborted) throw new Error('The broker has aborted what it had committed.');
`,
    replace: '',
    test: 'test/contract/log.kafka-outage.test.ts',
  },
  {
    breaks: 'what an id left hanging is not ended',
    file: transactions,
    find: "      await this.#settleLeftovers(last === 'committed');\n",
    replace: '      void [this.#settleLeftovers, last];\n',
    test: 'test/contract/log.kafka.test.ts',
  },
  {
    breaks: 'what an id left hanging is aborted, however its transaction was decided',
    file: transactions,
    find: "this.#settleLeftovers(last === 'committed')",
    replace: "this.#settleLeftovers(last === ('never' as string))",
    test: 'test/contract/log.kafka-outage.test.ts',
  },
  {
    breaks: 'that end counts before its markers are in the log',
    file: transactions,
    find: '      await this.#marked(from, LEFTOVER_MARKER_MS);\n',
    replace: '      void from;\n',
    test: 'test/contract/log.kafka.test.ts',
  },
  {
    breaks: 'a zombie that settles its commit takes the id from its heir',
    file: transactions,
    find: 'initProducerId(this.#id, TRANSACTION_TIMEOUT_MS, held)',
    replace: 'initProducerId(this.#id, TRANSACTION_TIMEOUT_MS, null)',
    test: 'test/contract/log.kafka-faults.test.ts',
  },
];
