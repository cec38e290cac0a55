/** The stack itself: what a suite may rely on when it hurts a part of its own. */
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isSkipped, type KafkaPart, kafka } from './index.ts';
import { describeWith } from './suite.ts';

await describeWith('A shared part', ['kafka', 'schemaRegistry', 'redis', 'postgres'], (parts) => {
  test('Kafka makes topics and keeps records in order', async () => {
    const client = new Kafka({ brokers: [parts.kafka], logLevel: logLevel.NOTHING });
    const admin = client.admin();
    await admin.connect();
    const topic = `stack.${process.pid}`;
    await admin.createTopics({ topics: [{ topic, numPartitions: 2, replicationFactor: 1 }] });
    expect(await admin.listTopics()).toContain(topic);
    await admin.disconnect();
  });

  test('the registry registers a schema and refuses one that breaks it', async () => {
    const register = (schema: object) =>
      fetch(`${parts.schemaRegistry}/subjects/stack-${process.pid}/versions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ schema: JSON.stringify(schema) }),
      });
    const record = (fields: readonly object[]) => ({ type: 'record', name: 'R', fields });
    expect((await register(record([{ name: 'a', type: 'string' }]))).status).toBe(200);
    const put = await fetch(`${parts.schemaRegistry}/config/stack-${process.pid}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ compatibility: 'BACKWARD' }),
    });
    expect(put.status).toBe(200);
    expect((await register(record([{ name: 'a', type: 'long' }]))).status).toBe(409);
  });

  test('PostgreSQL hands over an empty database', async () => {
    const client = new pg.Client({ connectionString: parts.postgres });
    await client.connect();
    const { rows } = await client.query(`SELECT count(*)::int AS n FROM information_schema.tables WHERE table_schema = 'public'`);
    await client.end();
    expect(rows).toEqual([{ n: 0 }]);
  });
});

await describeWith('A Kafka of its own', ['kafka'], () => {
  let own: KafkaPart;
  beforeAll(async () => {
    const started = await kafka();
    if (isSkipped(started)) throw new Error(started.skipped);
    own = started;
  });
  afterAll(() => own?.stop());

  test('killed and restarted, it has what it acknowledged, at the same address', async () => {
    const client = () => new Kafka({ brokers: [...own.brokers], logLevel: logLevel.NOTHING });
    const admin = client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1, replicationFactor: 1 }] });
    await admin.disconnect();
    const producer = client().producer();
    await producer.connect();
    await producer.send({ topic: 'kept', messages: [{ value: 'one' }, { value: 'two' }] });
    await producer.disconnect();

    await own.kill();
    await own.restart();

    const after = client().admin();
    await after.connect();
    expect(await after.fetchTopicOffsets('kept')).toMatchObject([{ partition: 0, low: '0', high: '2' }]);
    await after.disconnect();
  });
});
