/**
 * Schemas: who can read whose records. During a roll-out old instances read what new ones write (forward), and new ones always
 * read what was written (backward); the registry refuses what is not backward.
 */
import type { SchemaPart, SchemaSpec, SystemSpec } from '../spec.ts';
import { type Change, compatible, equal, migration, pairs, rebuild } from './change.ts';

/** What keeps a reader with the first schema from what was written with the second; null if nothing does. */
export type Incompatibility = (reader: object, writer: object) => string | null;

/** What is kept in these is state, or must be read for ever. */
const KEPT: ReadonlySet<string> = new Set(['Signal', 'UserState', 'PartitionState', 'Interest']);

interface Context {
  readonly at: string;
  readonly topics: readonly string[];
  readonly stores: readonly string[];
}

export function schemas(before: SystemSpec, after: SystemSpec, incompatibility: Incompatibility): readonly Change[] {
  const stores = after.stages.flatMap((stage) => stage.stores.map(({ name }) => name));
  return pairs(before.schemas, after.schemas, ({ name }) => name).flatMap(([was, is]) => {
    const name = (is ?? was)?.name ?? '';
    const topics = after.topics.filter((topic) => topic.schemas.includes(name)).map((topic) => topic.name);
    const context = { at: `schemas.${name}`, topics, stores: name === 'UserState' ? stores : [] };
    if (was === null || is === null) return [appeared(context, was, is)];
    return [...subject(context, was, is), ...(equal(was.schema, is.schema) ? [] : [judge(context, was, is, incompatibility)])];
  });
}

const appeared = ({ at, topics }: Context, was: SchemaSpec | null, is: SchemaSpec | null): Change =>
  compatible({
    at,
    before: was?.fingerprint ?? null,
    after: is?.fingerprint ?? null,
    reason: is === null ? 'Nothing reads or writes it any more.' : 'It is registered when the system starts.',
    topics,
  });

const subject = ({ at, topics }: Context, was: SchemaSpec, is: SchemaSpec): readonly Change[] =>
  was.subject === is.subject
    ? []
    : [
        compatible({
          at: `${at}.subject`,
          before: was.subject,
          after: is.subject,
          reason:
            'Records name their schema by id, not by subject: all stay readable. The registry checks nothing of the ' +
            'new subject’s past.',
          topics,
        }),
      ];

function judge({ at, topics, stores }: Context, was: SchemaSpec, is: SchemaSpec, incompatibility: Incompatibility): Change {
  const { added, removed } = fields(was.schema, is.schema);
  const draft = { at, before: was.fingerprint, after: is.fingerprint, topics, stores };
  const backward = incompatibility(is.schema as object, was.schema as object);
  const forward = incompatibility(was.schema as object, is.schema as object);
  const what = told(added, removed);
  if (backward !== null) return unreadable(draft, is.name, what, backward);
  if (stores.length > 0 && removed.length > 0 && added.length > 0 && forward === null)
    return rebuild({
      ...draft,
      reason:
        `${what}. If that is a new name, give the field an alias: without one what the records hold under ` +
        `the old name is dropped, and the new one begins as its default.`,
    });
  if (forward !== null)
    return migration({
      ...draft,
      reason: `${what}. New instances read old records; old ones do not read new records: one that meets one stops.`,
      steps: [
        `Roll out everything that reads ${topics.join(' and ') || 'it'} before anything that writes it.`,
        'There is no way back once a new record is written.',
      ],
    });
  if (stores.length > 0 && removed.length > 0)
    return migration({
      ...draft,
      reason:
        `${what}. What a record holds there is dropped when its user is next written, and does not come ` +
        `back with the old schema.`,
      steps: ['Be sure that nothing reads it.', 'Roll out.'],
    });
  return compatible({
    ...draft,
    reason:
      `${what}. Old and new instances read each other’s records` +
      (stores.length > 0 && added.length > 0
        ? '; an old one that writes a user beside new ones leaves the field out: use it once all are new.'
        : '.'),
  });
}

function unreadable(
  draft: Omit<Change, 'verdict' | 'reason' | 'steps' | 'sameDiffs'>,
  name: string,
  what: string,
  why: string,
): Change {
  const refused = `${what}. New instances do not read what was written (${why}), and the registry refuses the schema.`;
  return KEPT.has(name)
    ? rebuild({
        ...draft,
        reason:
          `${refused} ` + `${name === 'Signal' ? 'Not even a replay could read the input.' : 'The state could not be restored.'}`,
        steps: ['Give new fields a default, keep symbols, give renamed fields an alias: then nothing of this is needed.'],
      })
    : migration({
        ...draft,
        reason: refused,
        steps: ['Write it under a new subject, into a new topic.', 'Let readers read both until the old one is empty.'],
      });
}

interface Fields {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Fields and symbols by their path: `devices.seq`, `state:busy`. */
function fields(was: SchemaPart, is: SchemaPart): Fields {
  const [old, now] = [new Set(paths(was, '')), new Set(paths(is, ''))];
  return { added: [...now].filter((path) => !old.has(path)), removed: [...old].filter((path) => !now.has(path)) };
}

function paths(part: SchemaPart, at: string): readonly string[] {
  if (typeof part === 'string') return [];
  if (Array.isArray(part)) return part.flatMap((one: SchemaPart) => paths(one, at));
  const schema = part as { readonly [key: string]: SchemaPart };
  const { symbols, items, values, type } = schema;
  return [
    ...((symbols ?? []) as readonly string[]).map((symbol) => `${at}:${symbol}`),
    ...((schema.fields ?? []) as readonly { readonly name: string; readonly type: SchemaPart }[]).flatMap((field) => {
      const path = at === '' ? field.name : `${at}.${field.name}`;
      return [path, ...paths(field.type, path)];
    }),
    ...[items, values, typeof type === 'object' ? type : undefined].flatMap((inner) =>
      inner === undefined ? [] : paths(inner, at),
    ),
  ];
}

function told(added: readonly string[], removed: readonly string[]): string {
  const list = (what: string, names: readonly string[]): readonly string[] =>
    names.length === 0 ? [] : [`${what} ${names.join(', ')}`];
  const both = [...list('new:', added), ...list('gone:', removed)].join('; ');
  return both === '' ? 'Types, defaults or names changed' : both;
}
