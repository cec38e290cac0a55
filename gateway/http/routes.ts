/** Every route there is. */
import { operationRoutes } from './operations.ts';
import { readingRoutes } from './reading.ts';
import type { Route } from './route.ts';
import { signalRoutes } from './signals.ts';
import { subscriptionRoutes } from './subscriptions.ts';

export const routes: readonly Route[] = [...signalRoutes, ...readingRoutes, ...subscriptionRoutes, ...operationRoutes];

export const STREAM_PATH = '/presence/stream';
