/** What the gateway's server counts. */
import { counter, gauge, histogram } from '../base/metrics.ts';

export const connections = gauge('presence_gateway_connections', 'Stream connections open now.');
export const opened = counter('presence_gateway_connections_opened_total', 'Stream connections opened.');
export const closed = counter('presence_gateway_connections_closed_total', 'Stream connections closed, by close code.', ['code']);
export const requests = counter('presence_http_requests_total', 'HTTP requests answered, by route and status.', [
  'route',
  'status',
]);
export const requestSeconds = histogram('presence_http_request_seconds', "From a request's head to its answer.", ['route']);
export const messages = counter('presence_ws_messages_total', 'Frames from clients, by type.', ['type']);
export const refused = counter('presence_gateway_refused_total', 'Requests and frames refused, by code.', ['code']);
export const slowReaders = counter(
  'presence_gateway_slow_readers_total',
  'Times that a connection became slow (its socket held more than 64 KB).',
);
