/** Where in the sources an error was thrown: its stack speaks of a bundle (bin/bundle.mjs), the map beside it of the sources. */
import { existsSync, readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = new URL('../../../', import.meta.url);

interface Place {
  /** From the repository's root. */
  readonly path: string;
  readonly line: number;
}

/** `file:line`: of `entry`, which the author edits, if it was under way, else the innermost; null if none is known. */
export function placeOf(error: Error, entry: string): string | null {
  const frames = [...(error.stack ?? '').matchAll(/(file:\/\/[^\s()]+):(\d+):(\d+)/g)];
  const places = frames.flatMap(([, url = '', line, column]) => sourceOf(url, Number(line), Number(column)) ?? []);
  const found = places.find(({ path }) => path === entry) ?? places[0];
  return found === undefined ? null : `${found.path}:${lineOf(found, error)}`;
}

/** An argument that does not exist has the place of the call around it: it is looked up from there on. */
function lineOf({ path, line }: Place, { message }: Error): number {
  const name = /^([\w$]+) is not defined$/.exec(message)?.[1];
  if (name === undefined) return line;
  const lines = readFileSync(new URL(path, root), 'utf8').split('\n');
  const later = lines.slice(line - 1).findIndex((text) => text.split(/[^\w$]+/).includes(name));
  return later < 0 ? line : line + later;
}

function sourceOf(url: string, line: number, column: number): Place | null {
  const file = fileURLToPath(url.replace(/\?.*$/, ''));
  if (!existsSync(`${file}.map`)) return { path: relative(fileURLToPath(root), file), line };
  const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')) as SourceMapPayload);
  const found = map.findEntry(line - 1, column - 1);
  return 'originalSource' in found
    ? { path: found.originalSource.replace(/^(\.\.\/)+/, ''), line: found.originalLine + 1 }
    : null;
}
