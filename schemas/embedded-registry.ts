/**
 * The schema registry of the embedded run: in process, with the same rules as the real one (equal schemas
 * share an id; a new version must read what the latest one wrote), kept in a folder if one is named.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PresenceError } from '../base/errors.ts';
import type { SchemaRegistry } from '../ports/schema-registry.ts';
import { incompatibility } from './avsc.ts';

export interface EmbeddedRegistryOptions {
  /** Where ids are kept across restarts: without it values written before could not be read. Default: nowhere. */
  readonly folder?: string;
}

interface Kept {
  /** Index + 1 is the id. */
  readonly schemas: object[];
  /** The ids of each subject's versions, oldest first. */
  readonly subjects: Record<string, number[]>;
}

export function createEmbeddedRegistry(options: EmbeddedRegistryOptions = {}): SchemaRegistry {
  const file = options.folder === undefined ? undefined : join(options.folder, 'schemas.json');
  const kept = file === undefined ? { schemas: [], subjects: {} } : load(file);

  const save = (): void => {
    if (file === undefined) return;
    // Beside it, then over it: a crash leaves the old file or the new one.
    writeFileSync(`${file}.new`, `${JSON.stringify(kept, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  };

  return {
    async register(subject, schema) {
      const text = JSON.stringify(schema);
      const versions = Object.hasOwn(kept.subjects, subject) ? kept.subjects[subject]! : [];
      const found = kept.schemas.findIndex((known) => JSON.stringify(known) === text) + 1;
      if (versions.includes(found)) return found;
      const latest = versions.at(-1);
      const fault = incompatibility(schema, latest === undefined ? schema : kept.schemas[latest - 1]!);
      if (fault !== null) throw refused(subject, fault);
      const id = found > 0 ? found : kept.schemas.push(schema);
      kept.subjects[subject] = [...versions, id];
      save();
      return id;
    },
    async schema(id) {
      const schema = kept.schemas[id - 1];
      if (schema === undefined) {
        throw new PresenceError('UNDECODABLE', `There is no schema with id ${id}.`, { at: `schema ${id}`, retriable: false });
      }
      return schema;
    },
    async ping() {},
  };
}

export function refused(subject: string, fault: string, cause?: unknown): PresenceError {
  return new PresenceError('SCHEMA_REFUSED', `The schema for ${subject} was refused: ${fault}.`, {
    at: subject,
    retriable: false,
    help: 'Make the new version able to read the last one: give added fields a default, remove no enum symbol, change no type.',
    cause,
  });
}

function load(file: string): Kept {
  mkdirSync(join(file, '..'), { recursive: true });
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { schemas: [], subjects: {} };
    throw new PresenceError('BAD_SETTING', `${file} cannot be read: ${(error as Error).message}`, {
      at: file,
      retriable: false,
      cause: error,
    });
  }
}
