/** `presence replay`: what a restore would read, from the log as it is. Rebuilding into a shadow comes later. */
import type { Command } from 'commander';
import { badSettings, readSettings } from '../config.ts';
import { notYet } from './not-yet.ts';

interface PlanOptions {
  readonly partition?: string;
  readonly json?: boolean;
}

export function addReplay(program: Command): void {
  const replay = program
    .command('replay')
    .description('Says what rebuilding the state would read.')
    .addHelpText(
      'after',
      `
The log is that of KAFKA_BROKERS with SCHEMA_REGISTRY_URL, or the embedded one in DATA_DIR while nothing runs on it.

Example:
  KAFKA_BROKERS=k1:9092 SCHEMA_REGISTRY_URL=http://r:8081 presence replay plan`,
    );

  replay
    .command('plan')
    .description('By partition: what a restore reads, and whether the log still has it. 1 if it has not.')
    .option('--partition <number>', 'one partition alone')
    .option('--json', 'as data')
    .action(async (options: PlanOptions) => {
      const settings = readSettings({ flags: {}, env: { ...process.env, ROLE: '', HOST: '' } });
      if (settings.kafkaBrokers === undefined && settings.dataDir === undefined)
        throw badSettings(['Which log? Set KAFKA_BROKERS (with SCHEMA_REGISTRY_URL) or DATA_DIR']);
      if (options.partition !== undefined && !/^\d+$/.test(options.partition))
        throw badSettings([`--partition must be a whole number ("${options.partition}")`]);
      // Loaded only now: drivers take their time.
      const { createLogger } = await import('../../base/logger.ts');
      const { createCodecs } = await import('../../schemas/codec.ts');
      const { openLog, openRegistry } = await import('../parts.ts');
      const { planRestore, restorePlanText } = await import('../restore-plan.ts');
      const log = await openLog(settings, createLogger({ level: 'warn' }));
      try {
        const codecs = await createCodecs({ registry: openRegistry(settings) });
        const only = options.partition === undefined ? undefined : Number(options.partition);
        const plan = await planRestore({ log, codecs, ...(only === undefined ? {} : { only }) });
        process.stdout.write(options.json === true ? `${JSON.stringify(plan, null, 2)}\n` : restorePlanText(plan));
        if (plan.some(({ problem }) => problem !== null)) process.exitCode = 1;
      } finally {
        await log.close();
      }
    });

  replay
    .command('run')
    .description('Rebuilds the state into a shadow (not there yet).')
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      throw notYet('Rebuilding into a shadow', 'A topology that starts restores itself; `presence replay plan` says from what.');
    });
}
