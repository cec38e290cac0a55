/** `presence audit`: who watched whom, from the log as it is. */
import type { Command } from 'commander';
import { timeOf, windowOf, windowParameter } from '../../gateway/validation/times.ts';
import { badSettings, readSettings } from '../config.ts';

interface AuditOptions {
  readonly watcher?: string;
  readonly watched?: string;
  readonly since?: string;
  readonly json?: boolean;
}

/** `90m`, `12h`, `30d` ago, or an RFC 3339 time. */
function sinceOf(text: string, now: number): number {
  const at = windowParameter.safeParse(text).success ? now - windowOf(text) : timeOf(text);
  if (at === undefined) throw badSettings([`--since must be a time, or how long ago: 90m, 12h, 30d ("${text}")`]);
  return at;
}

export function addAudit(program: Command): void {
  program
    .command('audit')
    .description('Says who watched whom, where that is kept (AUDIT=on): watches, reads, history.')
    .option('--watcher <user>', 'whom this user watched')
    .option('--watched <user>', 'who watched this user')
    .option('--since <time>', 'from then on, watches held at that time included: 90m, 12h, 30d, or 2026-01-31T12:00:00Z')
    .option('--json', 'a JSON object a line')
    .addHelpText(
      'after',
      `
A user is user_id, or tenant/user_id in another tenant than the default. The log is that of KAFKA_BROKERS with
SCHEMA_REGISTRY_URL, or the embedded one in DATA_DIR while nothing runs on it. It is read from its start: a watch
that is held today may have begun long ago.

Examples:
  presence audit --watched ada --since 7d
  presence audit --watcher acme/bob --json`,
    )
    .action(async (options: AuditOptions) => {
      const settings = readSettings({ flags: {}, env: { ...process.env, ROLE: '', HOST: '' } });
      const { watcher, watched } = options;
      if ((watcher === undefined) === (watched === undefined)) throw badSettings(['Whose? --watcher or --watched, one of them']);
      const since = options.since === undefined ? undefined : sinceOf(options.since, Date.now());
      if (settings.kafkaBrokers === undefined && settings.dataDir === undefined)
        throw badSettings(['Which log? Set KAFKA_BROKERS (with SCHEMA_REGISTRY_URL) or DATA_DIR']);
      // Loaded only now: drivers take their time.
      const { createLogger } = await import('../../base/logger.ts');
      const { createCodecs } = await import('../../schemas/codec.ts');
      const { openLog, openRegistry } = await import('../parts.ts');
      const { auditJson, auditLine, readAudit } = await import('../audit.ts');
      const log = await openLog(settings, createLogger({ level: 'warn' }));
      try {
        const codecs = await createCodecs({ registry: openRegistry(settings) });
        const asked = { ...(watcher === undefined ? {} : { watcher }), ...(watched === undefined ? {} : { watched }) };
        const records = await readAudit({ log, codecs, ...asked, ...(since === undefined ? {} : { since }) });
        for (const record of records) process.stdout.write(`${options.json === true ? auditJson(record) : auditLine(record)}\n`);
      } finally {
        await log.close();
      }
    });
}
