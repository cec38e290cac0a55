/** Routes for operators: health, metrics, the OpenAPI and AsyncAPI documents, drain. */
import { z } from 'zod';
import { registry } from '../../base/metrics.ts';
import { DEFAULT_TENANT } from '../../schemas/user-key.ts';
import { drainBody } from '../validation/requests.ts';
import { draining, health, readiness } from '../validation/responses.ts';
import { Problem } from './problem.ts';
import { route } from './route.ts';

const healthz = route({
  method: 'GET',
  path: '/healthz',
  summary: 'Whether the process lives',
  scope: null,
  responses: { 200: { description: 'It does.', schema: health } },
  handle: () => ({ status: 200, json: { status: 'ok' } }),
});

const readyz = route({
  method: 'GET',
  path: '/readyz',
  summary: 'Whether it can serve, part by part',
  description: '`degraded` (200): a part that was there once is away, and what can be served is.',
  scope: null,
  responses: {
    200: { description: 'Ready or degraded.', schema: readiness },
    503: { description: 'Not ready, or draining.', schema: readiness },
  },
  async handle({ services }) {
    const report = await services.readiness.report();
    const able = report.status === 'ready' || report.status === 'degraded';
    return { status: able ? 200 : 503, json: report, ...(able ? {} : { headers: { 'retry-after': '1' } }) };
  },
});

const metrics = route({
  method: 'GET',
  path: '/metrics',
  summary: 'Prometheus metrics',
  scope: null,
  responses: { 200: { description: 'Text format.', schema: z.string(), type: 'text/plain' } },
  handle: async () => ({ status: 200, bytes: await registry.metrics(), type: registry.contentType }),
});

const openApi = route({
  method: 'GET',
  path: '/openapi.json',
  summary: 'This document',
  scope: null,
  responses: { 200: { description: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }) } },
  handle: ({ services }) => ({ status: 200, bytes: services.openApi(), type: 'application/json' }),
});

const asyncApi = route({
  method: 'GET',
  path: '/asyncapi.json',
  summary: 'The stream, frame by frame',
  scope: null,
  responses: { 200: { description: 'AsyncAPI 3.0.', schema: z.looseObject({ asyncapi: z.string() }) } },
  handle: ({ services }) => ({ status: 200, bytes: services.asyncApi(), type: 'application/json' }),
});

const drain = route({
  method: 'POST',
  path: '/admin/drain',
  summary: 'Moves the streams of this gateway elsewhere',
  description:
    'New streams are refused with 503 from now on; those there are told to go, in waves, and closed with 1012. HTTP goes on.',
  scope: 'presence:admin',
  body: drainBody,
  bodyOptional: true,
  responses: { 202: { description: 'Under way.', schema: draining } },
  handle({ principal, body, services }) {
    // A gateway serves all tenants: only those who run it may empty it.
    if (principal.tenant !== DEFAULT_TENANT)
      throw new Problem('forbidden', 'A gateway is drained by an admin of the default tenant.');
    return { status: 202, json: { connections: services.drain(body.over_ms), over_ms: body.over_ms } };
  },
});

export const operationRoutes = [healthz, readyz, metrics, openApi, asyncApi, drain];
