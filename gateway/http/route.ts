/** What a route is: data enough to be matched, checked, run, and written into the OpenAPI document. */
import type { z } from 'zod';
import type { Logger } from '../../base/logger.ts';
import type { PresenceStore } from '../../ports/presence-store.ts';
import type { Audit } from '../audit.ts';
import type { Principal, Scope } from '../auth.ts';
import type { FanOut, Outbox, Reads } from '../parts.ts';
import type { Trace } from '../trace.ts';
import type { Watching } from '../watching.ts';
import type { Reply } from './call.ts';
import type { ProblemCode } from './problem.ts';
import type { Readiness } from './readiness.ts';

/** What handlers work with. */
export interface Services {
  readonly outbox: Outbox;
  readonly fanOut: FanOut;
  readonly reads: Reads;
  readonly store: Pick<PresenceStore, 'history'>;
  readonly readiness: Readiness;
  readonly logger: Logger;
  /** How long an answer waits for the log before it is 503, ms. */
  readonly answerWithin_ms: number;
  readonly watching: Watching;
  /** Told of who read whom, where that is kept. */
  readonly audit?: Pick<Audit, 'looked'>;
  /** Takes no more streams and tells those there to go; how many. */
  drain(over_ms: number): number;
  openApi(): string;
  asyncApi(): string;
}

export interface Call<Q = unknown, B = unknown> {
  readonly principal: Principal;
  readonly query: Q;
  readonly body: B;
  readonly trace: Trace;
  readonly services: Services;
}

export interface ResponseSpec {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** Default application/json. */
  readonly type?: string;
}

export interface RouteSpec<Q, B> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  /** What the token needs; null: no token. Handlers may ask for more (acts on others). */
  readonly scope: Scope | null;
  /** `scope` may be wanting where the handler itself finds the caller allowed by another. */
  readonly alsoAllowed?: Scope;
  /** Counts for the rate of queries too. */
  readonly reads?: boolean;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  /** An absent body is taken for `{}`. */
  readonly bodyOptional?: boolean;
  /** What it answers when all is well, by status. */
  readonly responses: Readonly<Record<number, ResponseSpec>>;
  /** Refusals beyond those that every route of its kind has. */
  readonly refusals?: readonly ProblemCode[];
  handle(call: Call<Q, B>): Reply | Promise<Reply>;
}

export type Route = RouteSpec<never, never>;

/** Types the handler by its schemas. */
export const route = <Q, B>(spec: RouteSpec<Q, B>): Route => Object.freeze(spec) as unknown as Route;
