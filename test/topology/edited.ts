/**
 * The system as it would be after an edit of its sources: topology/presence.ts, topology/topics.ts and the schemas, changed as
 * text and evaluated, without touching a file. So examples and the corpus of edits are what an author types.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ts from 'typescript';
import * as processors from '../../processors/index.ts';
import * as stage from '../../processors/stage.ts';
import { type AvroSchema, schemaFile, schemaNames } from '../../schemas/avsc.ts';
import * as kit from '../../topology/kit/index.ts';
import type { Topic } from '../../topology/topics.ts';

/** `old => new` in a file; in `from` white space matches any, and … matches whatever lies between. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const root = new URL('../../', import.meta.url);
const sources: Readonly<Record<string, string>> = {
  'presence.ts': 'topology/presence.ts',
  'topics.ts': 'topology/topics.ts',
  'schemas/topics.ts': 'schemas/topics.ts',
  ...Object.fromEntries(schemaNames.map((name) => [schemaFile(name), `schemas/${schemaFile(name)}`])),
};

/** `presence.ts: old => new`, one a line; a line that names no file goes on with the one before. */
export const readEdits = (text: string): readonly Edit[] =>
  text
    .trim()
    .replace(/\n(?!\s*[\w/-]+\.(?:ts|avsc): )\s*/g, ' ')
    .split('\n')
    .map((line) => {
      const match = /^(\S+): (.*?) =>(?: (.*))?$/.exec(line.trim());
      if (match === null) throw new Error(`Not an edit (file: old => new): ${line}`);
      return { file: match[1] as string, from: match[2] as string, to: match[3] ?? '' };
    });

/** Its sources by file, after the edits. Throws where an edit finds nothing, or more than one place. */
export function edit(edits: readonly Edit[]): ReadonlyMap<string, string> {
  const texts = new Map(Object.entries(sources).map(([file, path]) => [file, readFileSync(new URL(path, root), 'utf8')]));
  for (const { file, from, to } of edits) {
    const text = texts.get(file);
    if (text === undefined) throw new Error(`No file ${file} to edit.`);
    const pattern = new RegExp(
      from
        .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
        .replace(/\s*…\s*/g, '[\\s\\S]*?')
        .replace(/\s+/g, '\\s+'),
      'g',
    );
    const found = text.match(pattern)?.length ?? 0;
    if (found !== 1) throw new Error(`"${from}" is ${found} times in ${file}`);
    texts.set(
      file,
      text.replace(pattern, () => to),
    );
  }
  return texts;
}

function evaluate(text: string, modules: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const module = { exports: {} };
  const native = createRequire(import.meta.url);
  new Function('require', 'module', 'exports', outputText)(
    (name: string) => modules[name] ?? native(name),
    module,
    module.exports,
  );
  return module.exports;
}

/** The spec of the edited system; also where a rule is broken, and `to()` has refused it. */
export function editedSpec(edits: readonly Edit[]): kit.SystemSpec {
  const texts = edit(edits);
  const topics = topicsOf(texts);
  const schemas = schemaNames.map((name) => [name, JSON.parse(texts.get(schemaFile(name)) ?? '') as AvroSchema] as const);
  const all = (topics.topicSpecs as () => readonly Topic<unknown>[])();
  return kit.systemSpec(
    specOf(() => topologyOf(texts, topics)),
    all,
    Object.fromEntries(schemas),
  );
}

/** The edited topology, to be run. Throws BadTopology where a rule is broken. */
export function editedTopology(edits: readonly Edit[]): kit.Topology {
  const texts = edit(edits);
  return topologyOf(texts, topicsOf(texts));
}

type Texts = ReadonlyMap<string, string>;

const topicsOf = (texts: Texts): Record<string, unknown> =>
  evaluate(texts.get('topics.ts') ?? '', {
    '../processors/time.ts': processors,
    '../schemas/topics.ts': evaluate(texts.get('schemas/topics.ts') ?? '', {}),
  });

function topologyOf(texts: Texts, topics: Record<string, unknown>): kit.Topology {
  const modules = {
    '../processors/index.ts': processors,
    '../processors/stage.ts': stage,
    './kit/index.ts': kit,
    './topics.ts': topics,
  };
  return evaluate(texts.get('presence.ts') ?? '', modules).presence as kit.Topology;
}

function specOf(make: () => kit.Topology): kit.TopologySpec {
  try {
    return make().spec;
  } catch (error) {
    if (error instanceof kit.BadTopology) return error.spec;
    throw error;
  }
}
