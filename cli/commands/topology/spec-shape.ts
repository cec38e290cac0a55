/** The shape of a spec that comes from elsewhere: a file, a running system, git. What plan reads of it, and no more. */
import { z } from 'zod/mini';

const names = z.array(z.string());
const text = z.nullable(z.string());

const stage = z.looseObject({
  kind: z.string(),
  name: z.string(),
  config: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), names])),
  stores: z.array(z.looseObject({ name: z.string(), part: z.string() })),
  timers: z.array(z.looseObject({ name: z.string(), after_ms: z.nullable(z.number()), clock: z.enum(['lease', 'stamp']) })),
});

const sink = z.looseObject({
  kind: z.enum(['kafka', 'cockroachdb', 'redis']),
  name: z.string(),
  target: z.string(),
  writes: text,
  reads: names,
  idempotentBy: z.string(),
});

const topic = z.looseObject({
  name: z.string(),
  key: text,
  partitions: z.number(),
  cleanup: z.enum(['delete', 'compact']),
  retention_ms: z.nullable(z.number()),
  schemas: names,
});

/** A record, as all of ours are. */
const schema = z.looseObject({
  name: z.string(),
  subject: z.string(),
  fingerprint: z.string(),
  schema: z.looseObject({ type: z.string(), name: z.string(), fields: z.array(z.looseObject({ name: z.string() })) }),
});

const shape = {
  name: z.string(),
  version: z.number(),
  source: z.looseObject({
    name: z.string(),
    topic: z.string(),
    key: z.string(),
    clock: z.nullable(z.looseObject({ hole_ms: z.number(), settle_ms: z.number(), leap_ms: z.number() })),
  }),
  stages: z.array(stage),
  sinks: z.array(sink),
  topics: z.optional(z.array(topic)),
  schemas: z.optional(z.array(schema)),
};

export const specShape = z.looseObject(shape);

/** One that reads two topics, and a table: with the topics and schemas of its own. */
export const joinedShape = z.looseObject({
  ...shape,
  joins: z.string(),
  table: z.string(),
  topics: z.array(topic),
  schemas: z.array(schema),
});
