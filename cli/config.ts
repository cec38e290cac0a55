/**
 * What `presence up` is told: flags before variables before defaults, checked whole. Every fault is in one
 * message, each named as its author gave it (flag or variable).
 */
import { existsSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { PresenceError } from '../base/errors.ts';
import { type OptionName, optionNames, optionSpec, type Settings, secretOptions, settingsSchema } from './options.ts';

export type { Role, Settings } from './options.ts';

export interface RawSettings {
  /** Values by option name, as the command line gave them; repeated ones joined by commas. */
  readonly flags: Readonly<Partial<Record<OptionName, string>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the command line had beyond known flags. */
  readonly unknown?: readonly string[];
}

/**
 * PRESENCE_ variables that are for others: Kubernetes sets some for a Service of that name, our own tests and other
 * commands read some. Any other that is no option is taken for a misspelt one.
 */
const foreign = /^PRESENCE_(SERVICE_(HOST|PORT)|PORT(_|$)|STACK|CACHE_DIR|CHROMIUM|URL$|TOKEN$)/;

/** Throws BAD_SETTING with all faults, a line each. */
export function readSettings(raw: RawSettings): Settings {
  const faults: string[] = (raw.unknown ?? []).map((given) =>
    given.startsWith('-') ? `${given} is not an option` : `${given}: an argument too many`,
  );
  const known = new Set(optionNames.map((option) => optionSpec(option).env));
  for (const variable of Object.keys(raw.env)) {
    if (variable.startsWith('PRESENCE_') && !known.has(variable) && !foreign.test(variable))
      faults.push(`${variable} is not a variable of ours`);
  }
  const given: Partial<Record<OptionName, string>> = {};
  const nameOf = (option: OptionName): string =>
    raw.flags[option] === undefined ? optionSpec(option).env : `--${optionSpec(option).flag}`;
  for (const option of optionNames) {
    const value = raw.flags[option] ?? raw.env[optionSpec(option).env];
    // An empty variable is an unset one, as Compose files and shells leave them.
    if (value !== undefined && (value !== '' || raw.flags[option] !== undefined)) given[option] = value;
  }
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const option = issue.path[0] as OptionName;
      faults.push(`${nameOf(option)} ${issue.message}${secretOptions.has(option) ? '' : ` (${JSON.stringify(given[option])})`}`);
    }
    throw badSettings(faults);
  }
  faults.push(...crossFaults(parsed.data, nameOf));
  if (faults.length > 0) throw badSettings(faults);
  return parsed.data;
}

/** What is right by itself and wrong with another. */
function crossFaults(settings: Settings, nameOf: (option: OptionName) => string): string[] {
  const faults: string[] = [];
  const { roles, kafkaBrokers, schemaRegistryUrl, databaseUrl, redisUrl } = settings;
  const role = `${nameOf('roles')} ${roles.join(',')}`;
  if (roles.length < 3 && kafkaBrokers === undefined) {
    faults.push(`${role}: a role alone needs Kafka (KAFKA_BROKERS); the embedded log is in one process`);
  } else if (roles.length < 3 && roles.some((one) => one !== 'topology')) {
    const missing = [databaseUrl === undefined ? 'DATABASE_URL' : '', redisUrl === undefined ? 'REDIS_URL' : ''].filter(
      (one) => one !== '',
    );
    if (missing.length > 0) faults.push(`${role}: gateways and sinks in different processes need ${missing.join(' and ')}`);
  }
  if (kafkaBrokers !== undefined && schemaRegistryUrl === undefined)
    faults.push(`${nameOf('kafkaBrokers')} needs SCHEMA_REGISTRY_URL`);
  if (kafkaBrokers === undefined && schemaRegistryUrl !== undefined)
    faults.push(`${nameOf('schemaRegistryUrl')} is only for Kafka (KAFKA_BROKERS)`);
  if (kafkaBrokers === undefined && settings.stateDir !== undefined)
    faults.push(`${nameOf('stateDir')} is only for Kafka (KAFKA_BROKERS): the embedded log is in this process`);
  const sasl = ['kafkaSaslMechanism', 'kafkaSaslUsername', 'kafkaSaslPassword'] as const;
  const missing = sasl.filter((option) => settings[option] === undefined).map((option) => optionSpec(option).env);
  if (missing.length > 0 && missing.length < sasl.length) faults.push(`SASL needs ${missing.join(' and ')} too`);
  if (settings.authJwtSecret !== undefined && settings.authJwksUrl !== undefined)
    faults.push(`${nameOf('authJwtSecret')} and ${nameOf('authJwksUrl')}: one or the other`);
  const keys = settings.authJwtSecret !== undefined || settings.authJwksUrl !== undefined;
  for (const option of ['authAudience', 'authIssuer'] as const)
    if (settings[option] !== undefined && !keys)
      faults.push(`${nameOf(option)} is only for tokens that are signed (AUTH_JWT_SECRET or AUTH_JWKS_URL)`);
  if (roles.includes('gateway') && !keys && !isLoopback(settings.host)) {
    faults.push(
      `${nameOf('host')} ${settings.host} is beyond loopback: set AUTH_JWT_SECRET or AUTH_JWKS_URL, or everyone could be anyone`,
    );
  }
  if (settings.sharePort === 'true' && settings.opsPort === undefined)
    faults.push(`${nameOf('sharePort')} needs OPS_PORT: who asks the shared port is answered by any of the processes`);
  if (settings.sharePort === 'true' && settings.kafkaBrokers === undefined)
    faults.push(`${nameOf('sharePort')} is only for Kafka (KAFKA_BROKERS): the embedded log is in one process`);
  if (settings.opsPort !== undefined && settings.opsPort === settings.port && settings.port !== 0)
    faults.push(`${nameOf('opsPort')} is PORT: leave it out, or choose another`);
  if ((settings.tlsCertFile === undefined) !== (settings.tlsKeyFile === undefined))
    faults.push('TLS_CERT_FILE and TLS_KEY_FILE go together');
  for (const option of ['tlsCertFile', 'tlsKeyFile'] as const) {
    const file = settings[option];
    if (file !== undefined && !existsSync(file)) faults.push(`${nameOf(option)}: there is no file ${file}`);
  }
  return faults;
}

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

export function badSettings(faults: readonly string[]): PresenceError {
  const message =
    faults.length === 1
      ? faults[0]!
      : `${faults.length} settings are wrong:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`;
  return new PresenceError('BAD_SETTING', message, {
    at: 'settings',
    retriable: false,
    help: '`presence up --help` lists every option.',
  });
}
