import { silentLogger } from '../../base/logger.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { describeWith } from '../stack/suite.ts';
import { logContract } from './log.contract.ts';

await describeWith('Kafka', ['kafka'], ({ kafka }) => {
  const open = (clientId: string) => createKafkaLog({ brokers: [kafka], clientId, logger: silentLogger });
  logContract('The Kafka log', async () => ({ log: await open('contract'), other: await open('contract-other') }));
});
