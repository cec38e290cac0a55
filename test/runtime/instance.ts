/**
 * One instance of the counter as a process of its own, to be killed and stopped. Settings as JSON in the first
 * argument; says a line of JSON on standard output when its partitions change, every 50 ms at most.
 */
import { silentLogger } from '../../base/logger.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { runTopology } from '../../runtime/runner.ts';
import { counterWiring } from './counter.ts';

export interface InstanceSettings {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly cell_ms: number;
  readonly quiet_ms: number;
  readonly flush_ms: number;
  readonly stateDir?: string;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as InstanceSettings;
const log = await createKafkaLog({ brokers: settings.brokers, clientId: `counter-${process.pid}`, logger: silentLogger });
const runner = await runTopology({
  log,
  wiring: counterWiring(settings),
  group: settings.prefix,
  standbyReplicas: 1,
  ...(settings.stateDir === undefined ? {} : { stateDir: settings.stateDir, snapshots: { every_ms: 200, pause_ms: 0 } }),
  instanceId: String(process.pid),
  logger: silentLogger,
});
let said = '';
const timer = setInterval(() => {
  const line = JSON.stringify(runner.partitions.map(({ partition, state }) => ({ partition, state })));
  if (line !== said) process.stdout.write(`${line}\n`);
  said = line;
}, 50);
process.on('SIGTERM', () => {
  clearInterval(timer);
  void runner.close().then(() => log.close());
});
