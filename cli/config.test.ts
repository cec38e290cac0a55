import { describe, expect, test } from 'vitest';
import { PresenceError } from '../base/errors.ts';
import { type RawSettings, readSettings } from './config.ts';

const kafka = { KAFKA_BROKERS: 'a:9092,b:9092', SCHEMA_REGISTRY_URL: 'http://r/apis/ccompat/v7' };
const stores = { DATABASE_URL: 'postgres://db/x', REDIS_URL: 'redis://cache:6379' };
const secret = 'x'.repeat(32);

function faultsOf(raw: Partial<RawSettings>): string {
  try {
    readSettings({ flags: {}, env: {}, ...raw });
    return 'none';
  } catch (error) {
    if (!(error instanceof PresenceError) || error.code !== 'BAD_SETTING') throw error;
    return error.message;
  }
}

describe('settings', () => {
  test('with nothing said the whole system runs on embedded parts, on loopback', () => {
    expect(readSettings({ flags: {}, env: {} })).toEqual({
      acceptRate: 2_000,
      pushRate: 500,
      audit: 'off',
      auditRetentionDays: 30,
      rateLimit: 100,
      queryRateLimit: 50,
      watchPolicy: 'tenant',
      roles: ['gateway', 'topology', 'sinks'],
      host: '127.0.0.1',
      port: 8080,
      allowedOrigins: [],
      historyOf: 'self',
      partitions: 8,
      processingGuarantee: 'exactly_once',
      fanout: 'broadcast',
      kafkaSsl: 'false',
      sharePort: 'false',
      topologyUrls: [],
      standbyReplicas: 1,
      sessionTimeoutMs: 6_000,
      logLevel: 'info',
    });
  });

  test('a flag goes before its variable, an empty variable is none', () => {
    const settings = readSettings({
      flags: { port: '0', roles: 'sinks,topology' },
      env: {
        ...kafka,
        ...stores,
        PORT: '99',
        ROLE: 'gateway',
        DATA_DIR: '',
        ALLOWED_ORIGINS: 'https://a.example, http://b.example:81',
      },
    });
    expect(settings).toMatchObject({
      port: 0,
      roles: ['topology', 'sinks'],
      kafkaBrokers: ['a:9092', 'b:9092'],
      allowedOrigins: ['https://a.example', 'http://b.example:81'],
    });
    expect(settings.dataDir).toBeUndefined();
  });

  test.each<[what: string, raw: Partial<RawSettings>, message: string]>([
    ['an unknown flag', { unknown: ['--prot=1'] }, '--prot=1 is not an option'],
    ['an argument', { unknown: ['now'] }, 'now: an argument too many'],
    ['a misspelt variable', { env: { PRESENCE_INSTNACE: 'a' } }, 'PRESENCE_INSTNACE is not a variable of ours'],
    ['a port that is none', { env: { PORT: '80a' } }, 'PORT must be a whole number from 0 to 65535 ("80a")'],
    ['a port out of range', { flags: { port: '65536' } }, '--port must be a whole number from 0 to 65535 ("65536")'],
    ['a role that is none', { flags: { roles: 'sink' } }, '--role must be one of all, gateway, topology, sinks ("sink")'],
    ['no role', { flags: { roles: '' } }, '--role must name a role ("")'],
    [
      'a role alone on the embedded log',
      { env: { ROLE: 'topology' } },
      'ROLE topology: a role alone needs Kafka (KAFKA_BROKERS); the embedded log is in one process',
    ],
    [
      'a role alone without stores',
      { env: { ...kafka, ROLE: 'gateway' } },
      'ROLE gateway: gateways and sinks in different processes need DATABASE_URL and REDIS_URL',
    ],
    ['Kafka without a registry', { env: { KAFKA_BROKERS: 'a:1' } }, 'KAFKA_BROKERS needs SCHEMA_REGISTRY_URL'],
    [
      'a registry without Kafka',
      { env: { SCHEMA_REGISTRY_URL: 'http://r' } },
      'SCHEMA_REGISTRY_URL is only for Kafka (KAFKA_BROKERS)',
    ],
    [
      'brokers without port',
      { env: { ...kafka, KAFKA_BROKERS: 'a' } },
      'KAFKA_BROKERS must be host:port, separated by commas ("a")',
    ],
    [
      'a database of another kind',
      { env: { DATABASE_URL: 'mysql://x' } },
      'DATABASE_URL must be a URL that begins with postgres:// or postgresql://',
    ],
    [
      'a host for all without keys',
      { env: { HOST: '0.0.0.0' } },
      'HOST 0.0.0.0 is beyond loopback: set AUTH_JWT_SECRET or AUTH_JWKS_URL, or everyone could be anyone',
    ],
    [
      'a name that only looks like loopback',
      { flags: { host: '127.0.0.1.example.com' } },
      '--host 127.0.0.1.example.com is beyond loopback: set AUTH_JWT_SECRET or AUTH_JWKS_URL, or everyone could be anyone',
    ],
    ['a short secret, unprinted', { env: { AUTH_JWT_SECRET: 'short' } }, 'AUTH_JWT_SECRET must have 32 characters or more'],
    [
      'two kinds of keys',
      { env: { AUTH_JWT_SECRET: secret, AUTH_JWKS_URL: 'https://k' } },
      'AUTH_JWT_SECRET and AUTH_JWKS_URL: one or the other',
    ],
    ['a certificate without key', { env: { TLS_CERT_FILE: import.meta.filename } }, 'TLS_CERT_FILE and TLS_KEY_FILE go together'],
    [
      'an origin with a path',
      { env: { ALLOWED_ORIGINS: 'https://a/' } },
      'ALLOWED_ORIGINS must be origins such as https://app.example.com, separated by commas, or * ("https://a/")',
    ],
    [
      'a shared port without one of its own',
      { env: { ...kafka, ...stores, SHARE_PORT: 'true' } },
      'SHARE_PORT needs OPS_PORT: who asks the shared port is answered by any of the processes',
    ],
    [
      'a shared port on the embedded log',
      { env: { SHARE_PORT: 'true', OPS_PORT: '9000' } },
      'SHARE_PORT is only for Kafka (KAFKA_BROKERS): the embedded log is in one process',
    ],
    [
      'a port of its own that is none',
      { env: { PORT: '9000', OPS_PORT: '9000' } },
      'OPS_PORT is PORT: leave it out, or choose another',
    ],
    ['no connections', { env: { CONNECTIONS_MAX: '0' } }, 'CONNECTIONS_MAX must be a whole number from 1 to 10000000 ("0")'],
    ['another fan-out', { env: { FANOUT: 'sent' } }, 'FANOUT must be one of broadcast, routed ("sent")'],
  ])('%s is an error that names it', (_, raw, message) => {
    expect(faultsOf(raw)).toBe(message);
  });

  test('all faults come in one message', () => {
    const message = faultsOf({ flags: { port: 'x' }, env: { LOG_LEVEL: 'loud', PRESENCE_X: '1' }, unknown: ['--nope'] });
    expect(message.split('\n')).toEqual([
      '4 settings are wrong:',
      '  - --nope is not an option',
      '  - PRESENCE_X is not a variable of ours',
      '  - --port must be a whole number from 0 to 65535 ("x")',
      '  - LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent ("loud")',
    ]);
  });

  test('keys allow a host beyond loopback; what Kubernetes sets for a Service named presence is not ours', () => {
    expect(
      faultsOf({
        env: { HOST: '0.0.0.0', AUTH_JWT_SECRET: secret, PRESENCE_SERVICE_HOST: '10.0.0.1', PRESENCE_PORT_80_TCP: 'x' },
      }),
    ).toBe('none');
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) expect(faultsOf({ flags: { host } })).toBe('none');
  });
});
