/**
 * Every option of `presence up`, once: its flag, its variable, what it takes, what it is for. The help text, the
 * schema and the list of known names all come from this table.
 */
import { z } from 'zod';
import { processingGuarantees } from '../runtime/at-least-once.ts';
import { AUDIT_RETENTION_DAYS } from '../topology/audit-topic.ts';
import { list, name, oneOf, origin, redisUrl, url, whole } from './option-kinds.ts';

export const roleNames = ['gateway', 'topology', 'sinks'] as const;
export type Role = (typeof roleNames)[number];

export interface OptionSpec {
  /** As it is written after `--`. */
  readonly flag: string;
  readonly env: string;
  /** What stands for the value in the help; undefined: the flag takes none. */
  readonly value: string;
  readonly help: string;
  /** In words, for the help. */
  readonly defaultText?: string;
  /** May be given several times. */
  readonly repeatable?: boolean;
  /** From text to the setting; undefined input: the default. */
  readonly schema: z.ZodType;
}

const roles = list('a role')
  .pipe(z.array(oneOf(['all', ...roleNames])))
  .transform((given): readonly Role[] => (given.includes('all') ? roleNames : roleNames.filter((role) => given.includes(role))));

const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** Options whose values are never printed. */
export const secretOptions: ReadonlySet<string> = new Set([
  'authJwtSecret',
  'gatewaySecret',
  'kafkaSaslPassword',
  'databaseUrl',
  'redisUrl',
  'schemaRegistryUrl',
]);

export const optionTable = {
  roles: {
    flag: 'role',
    env: 'ROLE',
    value: 'name',
    help: `What this process does: all, or any of ${roleNames.join(', ')}; several with commas or repeated.`,
    defaultText: 'all',
    repeatable: true,
    schema: roles.default([...roleNames]),
  },
  host: {
    flag: 'host',
    env: 'HOST',
    value: 'address',
    help: 'The address to listen on.',
    defaultText: '127.0.0.1',
    schema: z.string().default('127.0.0.1'),
  },
  port: {
    flag: 'port',
    env: 'PORT',
    value: 'number',
    help: 'The port to listen on; 0 takes a free one.',
    defaultText: '8080',
    schema: whole(0, 65_535).default(8080),
  },
  opsPort: {
    flag: 'ops-port',
    env: 'OPS_PORT',
    value: 'number',
    help: 'Where /healthz, /readyz, /metrics and /topology of this process alone are, from its start on; 0 takes a free one.',
    defaultText: 'PORT',
    schema: whole(0, 65_535).optional(),
  },
  sharePort: {
    flag: 'share-port',
    env: 'SHARE_PORT',
    value: 'true|false',
    help: 'Several gateways of this machine listen on PORT, each taking its share of the connections (Linux). Needs OPS_PORT.',
    defaultText: 'false',
    schema: oneOf(['true', 'false']).default('false'),
  },
  kafkaBrokers: {
    flag: 'kafka-brokers',
    env: 'KAFKA_BROKERS',
    value: 'host:port,…',
    help: 'Kafka instead of the embedded log. Needs SCHEMA_REGISTRY_URL.',
    schema: list('a broker')
      .pipe(z.array(z.string().regex(/^\S+:\d{1,5}$/, 'must be host:port, separated by commas')))
      .optional(),
  },
  schemaRegistryUrl: {
    flag: 'schema-registry-url',
    env: 'SCHEMA_REGISTRY_URL',
    value: 'url',
    help: 'Where the Confluent API begins (Apicurio: …/apis/ccompat/v7). Only with KAFKA_BROKERS.',
    schema: url('http', 'https').optional(),
  },
  kafkaSsl: {
    flag: 'kafka-ssl',
    env: 'KAFKA_SSL',
    value: 'true|false',
    help: 'TLS to the brokers.',
    defaultText: 'false',
    schema: oneOf(['true', 'false']).default('false'),
  },
  kafkaSaslMechanism: {
    flag: 'kafka-sasl-mechanism',
    env: 'KAFKA_SASL_MECHANISM',
    value: 'name',
    help: `${saslMechanisms.join(', ')}; with KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.`,
    schema: oneOf(saslMechanisms).optional(),
  },
  kafkaSaslUsername: {
    flag: 'kafka-sasl-username',
    env: 'KAFKA_SASL_USERNAME',
    value: 'name',
    help: 'The user at the brokers.',
    schema: z.string().optional(),
  },
  kafkaSaslPassword: {
    flag: 'kafka-sasl-password',
    env: 'KAFKA_SASL_PASSWORD',
    value: 'password',
    help: 'Its password. Other users of the machine can read flags: use the variable.',
    schema: z.string().optional(),
  },
  databaseUrl: {
    flag: 'database-url',
    env: 'DATABASE_URL',
    value: 'url',
    help: 'CockroachDB or PostgreSQL instead of the embedded one.',
    schema: url('postgres', 'postgresql').optional(),
  },
  redisUrl: {
    flag: 'redis-url',
    env: 'REDIS_URL',
    value: 'url',
    help: 'Redis instead of the cache in this process.',
    schema: redisUrl.optional(),
  },
  dataDir: {
    flag: 'data-dir',
    env: 'DATA_DIR',
    value: 'folder',
    help: 'Where embedded parts keep their data. Without it, it is gone with the process.',
    schema: z.string().optional(),
  },
  stateDir: {
    flag: 'state-dir',
    env: 'STATE_DIR',
    value: 'folder',
    help: 'Where the topology keeps snapshots of its state, so that a restart reads only what is new. Only with KAFKA_BROKERS.',
    defaultText: 'none: a restart reads all of presence.state',
    schema: z.string().min(1, 'must name a folder').optional(),
  },
  standbyReplicas: {
    flag: 'standby-replicas',
    env: 'STANDBY_REPLICAS',
    value: 'number',
    help: 'Instances of the topology beside the owner that keep a warm copy of each partition: memory for a short takeover.',
    defaultText: '1',
    schema: whole(0, 10).default(1),
  },
  sessionTimeoutMs: {
    flag: 'session-timeout-ms',
    env: 'SESSION_TIMEOUT_MS',
    value: 'number',
    help: "When a silent instance's partitions go to others. Not below Kafka's group.min.session.timeout.ms (6000).",
    defaultText: '6000',
    schema: whole(1_000, 300_000).default(6_000),
  },
  authJwtSecret: {
    flag: 'auth-jwt-secret',
    env: 'AUTH_JWT_SECRET',
    value: 'secret',
    help: 'The secret of HS256 tokens (32 characters or more). Other users of the machine can read flags: use the variable.',
    schema: z.string().min(32, 'must have 32 characters or more').optional(),
  },
  authJwksUrl: {
    flag: 'auth-jwks-url',
    env: 'AUTH_JWKS_URL',
    value: 'url',
    help: 'Where the public keys of tokens are.',
    schema: url('http', 'https').optional(),
  },
  connectionsMax: {
    flag: 'connections-max',
    env: 'CONNECTIONS_MAX',
    value: 'number',
    help: 'Streams that this gateway takes at most; beyond it 503. Fewer where file descriptors do not bear them.',
    defaultText: '250000',
    schema: whole(1, 10_000_000).optional(),
  },
  authAudience: {
    flag: 'auth-audience',
    env: 'AUTH_AUDIENCE',
    value: 'name,…',
    help: "A token's `aud` must be, or hold, one of these.",
    defaultText: 'any',
    schema: list('an audience').optional(),
  },
  authIssuer: {
    flag: 'auth-issuer',
    env: 'AUTH_ISSUER',
    value: 'name,…',
    help: "A token's `iss` must be one of these.",
    defaultText: 'any',
    schema: list('an issuer').optional(),
  },
  watchPolicy: {
    flag: 'watch-policy',
    env: 'WATCH_POLICY',
    value: 'tenant|contacts|claim|module:file',
    help: 'Who may watch whom: everyone in the tenant, whom a user keeps, whom the token names, or as a module says.',
    defaultText: 'tenant',
    schema: z
      .string()
      .regex(/^(tenant|contacts|claim|module:.+)$/, 'must be tenant, contacts, claim or module:file')
      .default('tenant'),
  },
  gatewaySecret: {
    flag: 'gateway-secret',
    env: 'GATEWAY_SECRET',
    value: 'secret',
    help: 'What all gateways seal with (32 characters or more). Other users of the machine can read flags: use the variable.',
    defaultText: 'AUTH_JWT_SECRET, else DATABASE_URL, else made up at each start',
    schema: z.string().min(32, 'must have 32 characters or more').optional(),
  },
  allowedOrigins: {
    flag: 'allowed-origins',
    env: 'ALLOWED_ORIGINS',
    value: 'origin,…',
    help: 'Pages of other origins that may call this gateway; * for all.',
    defaultText: 'none',
    schema: list('an origin').pipe(z.array(origin)).default([]),
  },
  tlsCertFile: {
    flag: 'tls-cert-file',
    env: 'TLS_CERT_FILE',
    value: 'file',
    help: 'Certificate (PEM, with its chain). With TLS_KEY_FILE: HTTPS and WSS.',
    schema: z.string().optional(),
  },
  tlsKeyFile: { flag: 'tls-key-file', env: 'TLS_KEY_FILE', value: 'file', help: 'Its key (PEM).', schema: z.string().optional() },
  rateLimit: {
    flag: 'rate-limit',
    env: 'RATE_LIMIT',
    value: 'number',
    help: 'Requests of one user in a second, twice as many at once; over all gateways with REDIS_URL. And frames of a stream.',
    defaultText: '100',
    schema: whole(50, 1_000_000).default(100),
  },
  queryRateLimit: {
    flag: 'query-rate-limit',
    env: 'QUERY_RATE_LIMIT',
    value: 'number',
    help: 'Of them, requests that read presences or history, four times as many at once.',
    defaultText: '50',
    schema: whole(50, 1_000_000).default(50),
  },
  pushRate: {
    flag: 'push-rate',
    env: 'PUSH_RATE',
    value: 'number',
    help: 'Diffs pushed to a stream in a second, four times as many at once; beyond it, the newest of each user when it may.',
    defaultText: '500',
    schema: whole(1, 1_000_000).default(500),
  },
  acceptRate: {
    flag: 'accept-rate',
    env: 'ACCEPT_RATE',
    value: 'number',
    help: 'Streams that a gateway takes in a second, twice as many at once; the rest is told when to come back.',
    defaultText: '2000',
    schema: whole(1, 1_000_000).default(2_000),
  },
  historyOf: {
    flag: 'history-of',
    env: 'HISTORY_OF',
    value: 'self|tenant',
    help: "Whose history may be read: one's own, or everyone's in the tenant (as they were seen).",
    defaultText: 'self',
    schema: oneOf(['self', 'tenant']).default('self'),
  },
  audit: {
    flag: 'audit',
    env: 'AUDIT',
    value: 'on|off',
    help: 'Whether who watched whom is kept in the topic presence.audit; `presence audit` reads it.',
    defaultText: 'off',
    schema: oneOf(['on', 'off']).default('off'),
  },
  auditRetentionDays: {
    flag: 'audit-retention-days',
    env: 'AUDIT_RETENTION_DAYS',
    value: 'number',
    help: 'For how long it is kept: what the topic is made with.',
    defaultText: '30',
    schema: whole(1, 3_650).default(AUDIT_RETENTION_DAYS),
  },
  processingGuarantee: {
    flag: 'processing-guarantee',
    env: 'PROCESSING_GUARANTEE',
    value: processingGuarantees.join('|'),
    help: 'What a reader of state and diffs may rely on: each once, or each at least once (repeats byte for byte) at less cost.',
    defaultText: 'exactly_once',
    schema: oneOf(processingGuarantees).default('exactly_once'),
  },
  partitions: {
    flag: 'partitions',
    env: 'PARTITIONS',
    value: 'number',
    help: 'Partitions of the topics, fixed when they are made.',
    defaultText: '8',
    schema: whole(1, 10_000).default(8),
  },
  fanout: {
    flag: 'fanout',
    env: 'FANOUT',
    value: 'broadcast|routed',
    help: 'How diffs reach gateways: each reads all, or those that it has watchers of. For gateways and topology alike.',
    defaultText: 'broadcast',
    schema: oneOf(['broadcast', 'routed']).default('broadcast'),
  },
  topologyUrls: {
    flag: 'topology-urls',
    env: 'TOPOLOGY_URLS',
    value: 'url,…',
    help: 'Other processes whose figures /topology shows; a host name with several addresses is all of them.',
    defaultText: 'none',
    schema: list('a URL')
      .pipe(z.array(url('http', 'https')))
      .default([]),
  },
  instance: {
    flag: 'instance',
    env: 'PRESENCE_INSTANCE',
    value: 'name',
    help: 'Names this process in logs.',
    defaultText: 'host name and process id',
    schema: name.optional(),
  },
  logLevel: {
    flag: 'log-level',
    env: 'LOG_LEVEL',
    value: 'level',
    help: 'trace, debug, info, warn, error, fatal or silent.',
    defaultText: 'info',
    schema: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export type OptionName = keyof typeof optionTable;
export const optionNames = Object.keys(optionTable) as readonly OptionName[];
export const optionSpec = (option: OptionName): OptionSpec => optionTable[option];

/** The one schema of all settings of `presence up`, from what flags and variables say. */
export const settingsSchema = z.object(
  Object.fromEntries(optionNames.map((option) => [option, optionTable[option].schema])) as {
    [K in OptionName]: (typeof optionTable)[K]['schema'];
  },
);

export type Settings = z.output<typeof settingsSchema>;
