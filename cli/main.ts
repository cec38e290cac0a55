#!/usr/bin/env -S npx tsx
/** The `presence` command: what it is told, which command runs, and the exit code (0 done, 1 failed, 2 wrong usage). */
import { Command, CommanderError } from 'commander';
import { PresenceError } from '../base/errors.ts';

const program = new Command('presence')
  .description('Who is online? A stream-processing topology over Kafka, with sinks and WebSocket gateways.')
  .showHelpAfterError('`--help` after any command says more.')
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'presence: ')) })
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  presence up                                   the whole system in this process, on embedded parts
  KAFKA_BROKERS=k1:9092 SCHEMA_REGISTRY_URL=http://r:8081 \\
    presence up --role topology                 one role of it, on Kafka
  presence topology describe --mermaid          draw the topology; lint, test and plan are beside it
  presence schemas check                        whether the schemas can be released
  presence overrides get ada                    which override ada has
  presence audit --watched ada --since 7d       who watched ada, where that is kept
  presence drain http://gateway-3:8080          move a gateway's clients elsewhere

Exit codes: 0 done, 1 failed, 2 wrong usage.`,
  );

/** In the order of the help. Each is loaded only if it is named: the author's tools answer at once, without drivers. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  up: async () => (await import('./commands/up.ts')).addUp,
  topology: async () => (await import('./commands/topology.ts')).addTopology,
  schemas: async () => (await import('./commands/schemas.ts')).addSchemas,
  replay: async () => (await import('./commands/replay.ts')).addReplay,
  simulate: async () => (await import('./commands/simulate.ts')).addSimulate,
  overrides: async () => (await import('./commands/overrides.ts')).addOverrides,
  audit: async () => (await import('./commands/audit.ts')).addAudit,
  drain: async () => (await import('./commands/drain.ts')).addDrain,
  token: async () => (await import('./commands/token.ts')).addToken,
};
const named = commands[process.argv[2] ?? ''];
for (const load of named === undefined ? Object.values(commands) : [named]) (await load())(program);

/** Subcommands are not made with exitOverride of their own: commander copies settings only to those made later. */
function overrideExits(command: Command): void {
  command.exitOverride();
  for (const sub of command.commands) overrideExits(sub);
}
overrideExits(program);

/** Says what went wrong; the exit code for it. */
function failure(error: unknown): number {
  // Commander has said it already; help that was asked for is no fault.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof PresenceError) {
    process.stderr.write(`presence: ${error.message}\n${error.help === undefined ? '' : `${error.help}\n`}`);
    return error.code === 'BAD_SETTING' || error.code === 'BAD_INPUT' ? 2 : 1;
  }
  process.stderr.write(`presence: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}

const code = await program.parseAsync().then(
  () => 0,
  (error: unknown) => failure(error),
);
// What has been closed is closed: a handle that a library has left must not keep the process.
process.exit(code === 0 ? Number(process.exitCode ?? 0) : code);
