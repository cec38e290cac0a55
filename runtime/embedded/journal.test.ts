import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hasCode } from '../../base/errors.ts';
import type { Log, LogRecord } from '../../ports/log.ts';
import { createEmbeddedLog } from '../log-embedded.ts';

let dataDir: string;
const open: Log[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'presence-log-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((log) => log.close()));
  await rm(dataDir, { recursive: true, force: true });
});

async function start(options: { journalSlackBytes?: number } = {}): Promise<Log> {
  const log = await createEmbeddedLog({ dataDir, ...options });
  open.push(log);
  return log;
}

async function all(log: Log, topic: string, partition = 0): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await log.read({ topic, partition, from: 0, onBatch: (batch) => void records.push(...batch.records) });
  return records;
}

const topics = [
  { name: 'signals', partitions: 2, cleanup: 'delete', retention_ms: 3_600_000 },
  { name: 'state', partitions: 2, cleanup: 'compact' },
] as const;
const record = (key: string, value: string | null) => ({ key, value: value === null ? null : Buffer.from(value), partition: 0 });

async function commitBoth(log: Log, value: string, offset: number): Promise<void> {
  const transactional = await log.transactions('t');
  await transactional.fence();
  await transactional.commit(
    [
      { topic: 'state', records: [record('user', value)] },
      { topic: 'signals', records: [record('user', value)] },
    ],
    { group: 'g', offsets: [{ topic: 'signals', partition: 0, offset }] },
  );
}

test('what was acknowledged is there after a restart: records, stamps, headers, gaps, positions, topics', async () => {
  const before = await start();
  await before.ensureTopics(topics);
  const producer = await before.producer();
  const headers = { traceparent: 'a-b', bytes: Buffer.from([0, 1]) };
  await producer.send([{ topic: 'signals', records: [{ ...record('ü', 'one'), headers }, record('k', null)] }]);
  await commitBoth(before, 'x', 7);
  const [signals, offsets] = [await all(before, 'signals'), await before.offsets('signals')];
  await before.close();

  const after = await start();
  expect(await after.ensureTopics(topics)).toEqual([]);
  expect(await all(after, 'signals')).toEqual(signals);
  expect(await after.offsets('signals')).toEqual(offsets);
  expect(await after.committed('g', 'signals')).toEqual([7, null]);
  const [answer] = await (await after.producer()).send([{ topic: 'signals', records: [record('k', 'next')] }]);
  expect(answer?.baseOffset).toBe(offsets[0]?.end);
});

test('a write torn at any byte is cut off: what came before is whole, and so is every transaction', async () => {
  const log = await start();
  await log.ensureTopics(topics);
  await commitBoth(log, 'first', 1);
  const file = join(dataDir, 'journal-0');
  const whole = (await stat(file)).size;
  await commitBoth(log, 'second', 2);
  await log.close();
  const bytes = await readFile(file);
  for (let size = whole; size < bytes.length; size += 1) {
    await writeFile(file, bytes.subarray(0, size));
    const torn = await start();
    expect((await all(torn, 'state')).map(({ value }) => String(value))).toEqual(['first']);
    expect((await all(torn, 'signals')).length).toBe(1);
    expect(await torn.committed('g', 'signals')).toEqual([1, null]);
    await torn.close();
    expect((await stat(file)).size).toBe(whole);
  }
  const again = await start();
  await commitBoth(again, 'third', 3);
  await again.close();
  expect((await all(await start(), 'signals')).map(({ value }) => String(value))).toEqual(['first', 'third']);
});

test('a byte that the disk has changed is noticed, and nothing behind it is taken for whole', async () => {
  const log = await start();
  await log.ensureTopics(topics);
  await commitBoth(log, 'first', 1);
  const file = join(dataDir, 'journal-0');
  const { size } = await stat(file);
  await commitBoth(log, 'second', 2);
  await log.close();
  const bytes = await readFile(file);
  bytes[size + 30] = (bytes[size + 30] ?? 0) ^ 0x40;
  await writeFile(file, bytes);
  expect((await all(await start(), 'signals')).length).toBe(1);
});

test('the folder stays small: journals give way to snapshots that hold the same', async () => {
  const log = await start({ journalSlackBytes: 20_000 });
  await log.ensureTopics(topics);
  const producer = await log.producer();
  for (let i = 0; i < 400; i += 1) {
    const records = Array.from({ length: 20 }, (_, k) => record(`k${k}`, `${i}`.padStart(50)));
    await producer.send([{ topic: 'state', records }]);
    if (i % 100 === 0) await commitBoth(log, `${i}`, i);
  }
  // 400 sends of 20 records are 1 MB and more. A snapshot takes its time: what is written meanwhile is for the next.
  const sizeOf = async (kind: RegExp): Promise<number> => {
    const names = (await readdir(dataDir)).filter((name) => kind.test(name));
    const sizes = names.map(async (name) => (await stat(join(dataDir, name)).catch(() => ({ size: 0 }))).size);
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  };
  // The bound that the journal states: twice the snapshot and the slack, and the frame that went over it.
  const bounded = async (): Promise<boolean> => {
    const [journals, snapshots] = [await sizeOf(/^journal-\d+$/), await sizeOf(/^snapshot-\d+$/)];
    return snapshots > 0 && snapshots < 400_000 && journals <= 2 * snapshots + 20_000 + 3_000;
  };
  for (let i = 0; i < 500 && !(await bounded()); i += 1) {
    await producer.send([{ topic: 'state', records: [record('k0', `more ${i}`)] }]);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(await bounded()).toBe(true);
  const [state, offsets] = [await all(log, 'state'), await log.offsets('state')];
  await log.close();
  expect((await readdir(dataDir)).filter((name) => name.startsWith('snapshot')).length).toBe(1);
  const after = await start();
  const newest = (records: readonly LogRecord[]) =>
    new Map(records.map(({ key, value, offset }) => [String(key), `${value} ${offset}`]));
  expect(newest(await all(after, 'state'))).toEqual(newest(state));
  expect(await after.offsets('state')).toEqual(offsets);
  expect(await after.committed('g', 'signals')).toEqual([300, null]);
});

test('a crash while a snapshot is written loses nothing', async () => {
  const log = await start();
  await log.ensureTopics(topics);
  await commitBoth(log, 'first', 1);
  await log.close();
  // The next journal was begun, the snapshot beside it not finished.
  await writeFile(join(dataDir, 'snapshot-1.part'), 'half');
  await writeFile(join(dataDir, 'journal-1'), '');
  const after = await start();
  await commitBoth(after, 'second', 2);
  await after.close();
  expect((await all(await start(), 'signals')).map(({ value }) => String(value))).toEqual(['first', 'second']);
});

test('a snapshot that is not whole is no torn tail: the log does not start on half of its data', async () => {
  const log = await start({ journalSlackBytes: 0 });
  await log.ensureTopics(topics);
  for (let i = 0; i < 20; i += 1) await commitBoth(log, `${i}`, i);
  await log.close();
  const snapshot = (await readdir(dataDir)).find((name) => name.startsWith('snapshot')) ?? '';
  await truncate(join(dataDir, snapshot), (await stat(join(dataDir, snapshot))).size - 1);
  await expect(start()).rejects.toSatisfy((error) => hasCode(error, 'LOG_UNAVAILABLE') && /damaged/.test(error.message));
});

test('a folder has one log at a time, and a dead process holds none', async () => {
  const log = await start();
  await expect(start()).rejects.toSatisfy((error) => hasCode(error, 'BAD_SETTING'));
  await log.close();
  const { pid } = spawn('true');
  await new Promise((resolve) => setTimeout(resolve, 200));
  await writeFile(join(dataDir, 'lock'), String(pid));
  await start();
});

const CHILD = `
  import { execFileSync } from 'node:child_process';
  import { createEmbeddedLog } from ${JSON.stringify(new URL('../log-embedded.ts', import.meta.url).href)};
  const log = await createEmbeddedLog({ dataDir: process.argv[1], journalSlackBytes: Number(process.argv[2] ?? 50_000) });
  await log.ensureTopics([{ name: 'signals', partitions: 1, cleanup: 'delete' }]);
  const producer = await log.producer();
  let freed = 0;
  const lane = async (first) => {
    for (let i = first; freed === 0 || i < freed + 200; i += 4) {
      try {
        await producer.send([{ topic: 'signals', records: [{ key: 'k', value: Buffer.from(String(i).padStart(100)) }] }]);
        process.stdout.write(i + '\\n');
      } catch (error) {
        process.stdout.write(error.code + '\\n');
        if (freed === 0) execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited']);
        freed ||= i;
      }
    }
  };
  await Promise.all([0, 1, 2, 3].map(lane));
`;
const childArguments = (): string[] => ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', CHILD, dataDir];

test('after kill -9 in the midst of writing, everything acknowledged is there, once', async () => {
  for (let round = 0; round < 3; round += 1) {
    const child = spawn(process.execPath, childArguments(), { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines: string[] = [];
    let rest = '';
    child.stdout.on('data', (chunk) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
      if (lines.length > 500 + round * 300) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.once('close', resolve));
    const log = await start();
    const values = (await all(log, 'signals')).map(({ value }) => Number(value));
    // Each round counts from 0 again: of this round's, at most one a lane more than was told is there.
    const missing = lines.map(Number).filter((i) => !values.slice(-lines.length - 4).includes(i));
    expect(missing).toEqual([]);
    await log.close();
    await rm(join(dataDir, 'lock'), { force: true });
  }
});

test('a disk that takes no more refuses a send; when it does again, the log goes on, and all acknowledged is there', async () => {
  const limited = ['-c', `trap '' XFSZ; ulimit -S -f 40; exec "$0" "$@"`, process.execPath, ...childArguments(), '10000000'];
  const { stdout } = await promisify(execFile)('bash', limited, { maxBuffer: 1 << 24 });
  const lines = stdout.trim().split('\n');
  const refused = lines.indexOf('LOG_UNAVAILABLE');
  const acknowledged = lines.filter((line) => /^\d+$/.test(line)).map(Number);
  expect(refused).toBeGreaterThan(50);
  expect(acknowledged.length).toBeGreaterThan(refused + 50);
  const values = (await all(await start(), 'signals')).map(({ value }) => Number(value));
  expect(acknowledged.filter((i) => !values.includes(i))).toEqual([]);
});
