/**
 * A schema registry that speaks the Confluent API (Confluent's own, Apicurio's /apis/ccompat/v7, Karapace…).
 *
 * **Compatibility is set with each registration**, not relied on: Apicurio's global level is NONE until
 * somebody sets it. A subject that is set to something stricter than BACKWARD keeps that. While the
 * registry cannot be reached every call rejects with LOG_UNAVAILABLE; trying again is the caller's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SchemaRegistry as Client, COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry';
import { PresenceError } from '../base/errors.ts';
import type { SchemaRegistry } from '../ports/schema-registry.ts';
import { refused } from './embedded-registry.ts';

export interface ConfluentRegistryOptions {
  /** Where the API begins: http://registry:8080/apis/ccompat/v7. User and password in it go as basic authentication. */
  readonly url: string;
  /** How long one request may take, ms. Default 5,000. */
  readonly timeout_ms?: number;
}

/** Levels under which a new version must be able to read the last one at least. */
const strictEnough: ReadonlySet<string> = new Set(['BACKWARD', 'BACKWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE']);

/** A refusal is believed when it has been said this often. */
const CONFLICT_ATTEMPTS = 4;

export function createConfluentRegistry(options: ConfluentRegistryOptions): SchemaRegistry {
  const url = new URL(options.url);
  const auth =
    url.username === '' ? undefined : { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  url.username = '';
  url.password = '';
  const host = url.href.replace(/\/$/, '');
  const client = new Client({ host, clientId: 'presence', retry: { retries: 0 }, ...(auth === undefined ? {} : { auth }) });
  const timeout_ms = options.timeout_ms ?? 5_000;

  const request = async (method: 'GET' | 'PUT', path: string, body?: object): Promise<Response> => {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (auth !== undefined)
      headers.authorization = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(timeout_ms) };
    if (body !== undefined) init.body = JSON.stringify(body);
    const response = await fetch(`${host}${path}`, init).catch((cause: unknown) => {
      throw unavailable(host, cause);
    });
    if (response.status >= 500) throw unavailable(host, new Error(`${method} ${path}: status ${response.status}`));
    if (response.status === 401 || response.status === 403) throw forbidden(host);
    return response;
  };

  /** The subject's own level, made BACKWARD if it is none or too lax; null where there is no such subject yet. */
  const ensureLevel = async (subject: string): Promise<COMPATIBILITY | null> => {
    const path = `/config/${encodeURIComponent(subject)}`;
    const response = await request('GET', path);
    if (response.ok) {
      const { compatibilityLevel } = (await response.json()) as { readonly compatibilityLevel?: string };
      const level = compatibilityLevel?.toUpperCase() ?? 'NONE';
      if (strictEnough.has(level)) return level as COMPATIBILITY;
    }
    const set = await request('PUT', path, { compatibility: 'BACKWARD' });
    // Confluent's takes a level for a subject to come, Apicurio's does not: then the client sets it with the first version.
    return set.ok ? COMPATIBILITY.BACKWARD : null;
  };

  return {
    async register(subject, schema) {
      const text = JSON.stringify(schema);
      for (let attempt = 1; ; attempt += 1) {
        try {
          const level = (await ensureLevel(subject)) ?? COMPATIBILITY.BACKWARD;
          return (await client.register({ type: SchemaType.AVRO, schema: text }, { subject, compatibility: level })).id;
        } catch (error) {
          // Apicurio says the same 409 for "incompatible" and "somebody else has just made this subject".
          if (statusOf(error) !== 409 || attempt === CONFLICT_ATTEMPTS) throw registrationError(error, subject, host);
          await sleep(20 + Math.random() * 50 * attempt);
        }
      }
    },

    async schema(id) {
      const response = await request('GET', `/schemas/ids/${id}`);
      if (!response.ok) {
        throw new PresenceError('UNDECODABLE', `The registry has no schema with id ${id}.`, {
          at: `schema ${id}`,
          retriable: false,
        });
      }
      const found = (await response.json()) as { readonly schema: string; readonly schemaType?: string };
      if ((found.schemaType ?? 'AVRO') !== 'AVRO') {
        throw new PresenceError('UNDECODABLE', `The schema with id ${id} is ${found.schemaType}, not Avro.`, {
          at: `schema ${id}`,
          retriable: false,
        });
      }
      return JSON.parse(found.schema) as object;
    },

    async ping() {
      const response = await request('GET', '/subjects');
      if (!response.ok) throw unavailable(host, new Error(`GET /subjects: status ${response.status}`));
    },
  };
}

const statusOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;

function registrationError(error: unknown, subject: string, host: string): PresenceError {
  if (error instanceof PresenceError) return error;
  const status = statusOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (status === 409 || status === 422) return refused(subject, message, error);
  if (status === 401 || status === 403) return forbidden(host);
  // No status: the client found the schema itself at fault. 400 is also what its HTTP layer makes of a lost connection.
  return status === undefined ? refused(subject, message, error) : unavailable(host, error);
}

function unavailable(host: string, cause: unknown): PresenceError {
  const reason =
    cause instanceof Error
      ? cause.cause instanceof Error
        ? cause.cause.message || cause.message
        : cause.message
      : String(cause);
  return new PresenceError('LOG_UNAVAILABLE', `The schema registry at ${host} cannot be reached: ${reason}`, {
    at: 'schema registry',
    retriable: true,
    cause,
  });
}

function forbidden(host: string): PresenceError {
  return new PresenceError('BAD_SETTING', `The schema registry at ${host} refuses us.`, {
    at: 'SCHEMA_REGISTRY_URL',
    retriable: false,
    help: 'Put a user and password that may register schemas into SCHEMA_REGISTRY_URL.',
  });
}
