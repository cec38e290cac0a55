/**
 * A part: one real server (Kafka, schema registry, Redis, PostgreSQL) that a test starts, hurts and stops.
 *
 * However it runs (a container, or a process of this machine), its handle is the same. Data and port stay
 * with the handle: `restart()` after `stop()` or `kill()` finds what was written before, at the same address.
 */

/** Where a suite cannot have its part: why, in one sentence. */
export interface Skipped {
  readonly skipped: string;
}

export const isSkipped = (part: object): part is Skipped => 'skipped' in part;

export interface Part {
  /** What runs and how, for the summary: `Kafka 4.3.1 (native)`. */
  readonly description: string;
  /** The address in the form that its clients take: `redis://…`, `postgres://…`, `http://…`, `host:port`. */
  readonly url: string;
  /** Ends it in its own orderly way, and waits. Its data stays until the process that started it ends. */
  stop(): Promise<void>;
  /** Sends a signal, SIGKILL if not said, and waits for the end unless the signal is one that it survives. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Stops it if it runs, starts it on the same data and port, and waits until it answers. */
  restart(): Promise<void>;
}

export interface KafkaPart extends Part {
  readonly brokers: readonly string[];
}

/** How a part is run: by a process of ours or by a container engine. */
export interface Runner {
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface PartOptions {
  readonly description: string;
  readonly url: string;
  readonly runner: Runner;
  /** Resolves once it answers its own protocol; called again and again until then. */
  readonly answers: () => Promise<void>;
  /** How long to wait for that. Default 60,000. */
  readonly ready_ms?: number;
}

/** Starts a part and waits until it answers. */
export async function startPart(options: PartOptions): Promise<Part> {
  const { runner } = options;
  const start = async (): Promise<void> => {
    await runner.start();
    await untilAnswers(options);
  };
  try {
    await start();
  } catch (error) {
    await runner.kill('SIGKILL');
    throw error;
  }
  return {
    description: options.description,
    url: options.url,
    stop: () => runner.stop(),
    kill: (signal = 'SIGKILL') => runner.kill(signal),
    pause: () => runner.kill('SIGSTOP'),
    resume: () => runner.kill('SIGCONT'),
    restart: async () => {
      await runner.stop();
      await start();
    },
  };
}

async function untilAnswers({ answers, description, ready_ms = 60_000 }: PartOptions): Promise<void> {
  const end = performance.now() + ready_ms;
  for (;;) {
    try {
      return await answers();
    } catch (error) {
      if (performance.now() > end) throw new Error(`${description} did not answer within ${ready_ms} ms`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
