/** The OpenAPI 3.1 document, from the same routes and schemas that requests are matched and checked with. */
import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { type ProblemCode, problems } from './http/problem.ts';
import type { RouteSpec } from './http/route.ts';
import { routes, STREAM_PATH } from './http/routes.ts';
import * as shapes from './validation/responses.ts';

type AnyRoute = RouteSpec<unknown, unknown>;
type Json = Readonly<Record<string, unknown>>;
type JsonSchema = { properties?: Record<string, Json>; required?: string[] } & Record<string, unknown>;

/** As clients send it (`input`), or as the server sends it. */
const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema => {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    // Lists are checked in two steps (how many, then each): the second one says all of it.
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      if (def.type === 'pipe' && io === 'input')
        Object.assign(jsonSchema, z.toJSONSchema((def as z.core.$ZodPipeDef).out, { io: 'output' }), { $schema: undefined });
    },
  });
  return JSON.parse(JSON.stringify(json)) as JsonSchema;
};

/** Every refusal that a route may give: those of its kind, and its own. */
export function refusalsOf(route: AnyRoute): readonly ProblemCode[] {
  const kind: ProblemCode[] = ['url_too_long', 'internal'];
  if (route.scope !== null) kind.push('bad_token', 'forbidden', 'too_fast');
  if (route.query !== undefined || route.body !== undefined) kind.push('bad_input');
  if (route.body !== undefined) kind.push('too_large', 'unsupported_media_type');
  return [...new Set([...kind, ...(route.refusals ?? [])])];
}

const refusalHeaders: Partial<Record<number, Json>> = {
  429: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } },
  503: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } },
};

function responsesOf(route: AnyRoute): Json {
  const responses: Record<string, Json> = {};
  const byStatus = groupBy(refusalsOf(route));
  for (const [status, codes] of byStatus) {
    responses[status] = {
      description: `${STATUS_CODES[status]}: ${codes.join(', ')}.`,
      ...(refusalHeaders[status] === undefined ? {} : { headers: refusalHeaders[status] }),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  for (const [status, { description, schema, type = 'application/json' }] of Object.entries(route.responses)) {
    const own = schema === undefined ? {} : { [type]: { schema: inlined(schemaOf(schema, 'output')) } };
    const shared = (responses[status]?.content ?? {}) as Json;
    responses[status] = {
      ...responses[status],
      description,
      ...(schema === undefined ? {} : { content: { ...own, ...shared } }),
    };
  }
  return responses;
}

function groupBy(codes: readonly ProblemCode[]): Map<number, ProblemCode[]> {
  const groups = new Map<number, ProblemCode[]>();
  for (const code of codes) groups.set(problems[code], [...(groups.get(problems[code]) ?? []), code]);
  return new Map([...groups].sort(([a], [b]) => a - b));
}

/** Shared shapes are in the components: `#/$defs/X` of a schema on its own becomes a reference to them. */
function inlined(schema: JsonSchema): Json {
  const { $defs: _, ...rest } = schema;
  return JSON.parse(JSON.stringify(rest).replaceAll('#/$defs/', '#/components/schemas/')) as Json;
}

/** A shape that has a name comes as a reference to itself, with the shape beside it. */
function component(schema: z.ZodType): readonly [name: string, Json] {
  const name = schema.meta()?.id as string;
  const { $defs, ...rest } = schemaOf(schema, 'output') as { $defs?: Record<string, JsonSchema> } & JsonSchema;
  return [name, inlined($defs?.[name] ?? rest)];
}

const camelCase = (path: string): string => path.replace(/[^A-Za-z]+(\w)/g, (_, letter: string) => letter.toUpperCase());

function operationOf(route: AnyRoute): Json {
  const query = route.query === undefined ? undefined : schemaOf(route.query, 'input');
  const parameters = Object.entries(query?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: query?.required?.includes(name) ?? false,
    ...(schema.type === 'array' ? { style: 'form', explode: false } : {}),
    schema,
  }));
  const body = route.body === undefined ? undefined : inlined(schemaOf(route.body, 'input'));
  return {
    operationId: `${route.method.toLowerCase()}${camelCase(route.path)}`,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    security: route.scope === null ? [] : [{ bearer: [] }],
    ...(route.scope === null
      ? {}
      : { 'x-scope': route.alsoAllowed === undefined ? [route.scope] : [route.scope, route.alsoAllowed] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: route.bodyOptional !== true, content: { 'application/json': { schema: body } } } }),
    responses: responsesOf(route),
  };
}

const streamOperation: Json = {
  operationId: 'getPresenceStream',
  summary: 'The stream: a WebSocket, subprotocol presence.v1',
  description:
    'JSON text frames, which /asyncapi.json describes. The token comes in the Authorization header, ' +
    'as a second subprotocol bearer.<JWT>, or as access_token.',
  security: [{ bearer: [] }],
  'x-scope': ['presence:read'],
  parameters: [{ name: 'access_token', in: 'query', required: false, schema: { type: 'string' } }],
  responses: {
    101: { description: 'Switching protocols.' },
    ...Object.fromEntries(
      [...groupBy(['bad_input', 'bad_token', 'forbidden', 'upgrade_required', 'too_fast', 'unavailable', 'draining'])].map(
        ([status, codes]) => [
          status,
          {
            description: `${STATUS_CODES[status]}: ${codes.join(', ')}.`,
            content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
          },
        ],
      ),
    ),
  },
};

export function openApiDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes as unknown as readonly AnyRoute[]) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) };
  }
  paths[STREAM_PATH] = { get: streamOperation };
  const named = [shapes.presence, shapes.override, shapes.historyEntry, shapes.problem];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Presence',
      version: '1',
      description: 'Who is online?',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: Object.fromEntries(named.map(component)),
    },
  };
}
