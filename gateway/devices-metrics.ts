/** What devices.ts counts. */
import { counter, gauge } from '../base/metrics.ts';

export const devicesBound = gauge('presence_gateway_devices', 'Devices held by connections of this gateway.');
export const silences = counter('presence_gateway_silences_total', 'Silences said, by whether the socket was still open.', [
  'socket',
]);
export const beatsOnly = counter(
  'presence_gateway_heartbeats_kept_total',
  'Heartbeats that changed nothing and were not written.',
);
export const lostDevices = counter('presence_gateway_lost_total', 'Connections refused: the topology said that another speaks.');
export const restates = counter('presence_gateway_restates_total', 'Restatements of a partition asked for by the topology.');
