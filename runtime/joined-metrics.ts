/** What the fan-out topology's runner counts, per batch. */
import { counter, histogram } from '../base/metrics.ts';

export const joinedMetrics = {
  deliveries: counter('presence_fan_out_deliveries_total', 'Records written to gateways by the fan-out topology.'),
  told: counter('presence_fan_out_told_total', 'Users told of to gateways: as they change, in answers, or as withheld.', ['as']),
  undecodable: counter('presence_fan_out_undecodable_total', 'Records that the fan-out topology could not read, by topic.', [
    'topic',
  ]),
  takes: counter('presence_fan_out_takes_total', 'Partitions taken by the fan-out topology, their tables made anew.'),
  takeSeconds: histogram('presence_fan_out_take_seconds', 'From taking a partition to telling, fan-out topology.'),
};
