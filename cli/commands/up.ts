/** `presence up`: flags and variables into settings, signals into an end. */
import { type Command, Option } from 'commander';
import { readSettings } from '../config.ts';
import { type OptionName, type OptionSpec, optionNames, optionSpec } from '../options.ts';

/** How long an end may take before the process ends all the same, with 1. */
const END_WITHIN_MS = 30_000;

export function addUp(program: Command): void {
  const command = program
    .command('up')
    .description('Runs the system, or some of its roles, in this process.')
    .allowUnknownOption()
    .allowExcessArguments()
    .usage('[options]')
    .addHelpText('after', examples);
  for (const name of optionNames) command.addOption(optionOf(name, optionSpec(name)));
  command.action(async (flags: Readonly<Partial<Record<OptionName, string>>>) => {
    const settings = readSettings({ flags, env: process.env, unknown: strangers(command.args) });
    // Loaded only now: a wrong setting is told at once, and on a machine where a native part cannot load.
    const { up } = await import('../up.ts');
    const { createLogger } = await import('../../base/logger.ts');
    const logger = createLogger({ level: settings.logLevel });
    const ending = new AbortController();
    const onSignal = (signal: NodeJS.Signals): void => {
      if (ending.signal.aborted) process.exit(1);
      logger.info({ signal }, 'Asked to end; once more ends at once.');
      setTimeout(() => {
        logger.error('The end took too long.');
        process.exit(1);
      }, END_WITHIN_MS).unref();
      ending.abort();
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
    await up({ settings, logger, signal: ending.signal, print: (text) => void process.stdout.write(text) });
  });
}

function optionOf(name: OptionName, spec: OptionSpec): Option {
  const fallback = spec.defaultText === undefined ? '' : ` Default: ${spec.defaultText}.`;
  const option = new Option(`--${spec.flag} <${spec.value}>`, `${spec.help}${fallback} [${spec.env}]`);
  option.attributeName = () => name;
  if (spec.repeatable === true)
    option.argParser((value: string, before: string | undefined) => (before === undefined ? value : `${before},${value}`));
  return option;
}

/** What is no option of ours. A value that follows an unknown option is its, not an argument too many. */
const strangers = (args: readonly string[]): string[] =>
  args.filter((arg, i) => arg.startsWith('-') || !(args[i - 1]?.startsWith('-') ?? false));

const examples = `
Each option can be given by the variable in brackets. KAFKA_BROKERS (with SCHEMA_REGISTRY_URL), DATABASE_URL and REDIS_URL
each replace one embedded part by a real one.

Examples:
  presence up
  presence up --port 0 --data-dir ./data
  HOST=0.0.0.0 AUTH_JWKS_URL=https://id.example.com/jwks KAFKA_BROKERS=k1:9092 SCHEMA_REGISTRY_URL=http://r:8081 \\
    DATABASE_URL=postgres://db/presence REDIS_URL=redis://cache presence up --role gateway`;
