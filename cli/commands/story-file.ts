/** A story's file, as `presence simulate --save` wrote it. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { PresenceError } from '../../base/errors.ts';
import { summary } from '../../gateway/validation/faults.ts';
import type { Story } from '../../simulation/story.ts';

const count = z.int().min(1);
const time = z.number().min(0);

const client = z.looseObject({
  index: z.int(),
  user: z.string(),
  device: z.string(),
  kind: z.enum(['app', 'tab', 'background']),
  path: z.looseObject({}),
  patience_ms: time,
  clock_rate: z.number(),
  beats_ms: time,
  comes_ms: time,
  acts: z.array(z.looseObject({ act: z.string(), at: time })),
});

const shape = z.looseObject({
  seed: z.number(),
  ends_ms: time,
  partitions: count,
  gateways: count,
  instances: count,
  heartbeat_ms: count,
  ttl_ms: count,
  clients: z.array(client),
  faults: z.array(z.looseObject({ fault: z.string(), at: time })),
});

/** @throws BAD_SETTING where the file cannot be read, or holds something else. */
export function readStory(file: string): Story {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw unusable(file, `cannot be read: ${(cause as Error).message}.`);
  }
  const parsed = shape.safeParse(json, { reportInput: true });
  if (parsed.success) return json as Story;
  throw unusable(file, `is no story. ${summary(parsed.error.issues, 'It')}`);
}

const unusable = (file: string, what: string): PresenceError =>
  new PresenceError('BAD_SETTING', `--story ${file} ${what}`, {
    at: '--story',
    retriable: false,
    help: 'A story is what `presence simulate --save <file>` wrote of a seed that broke.',
  });
