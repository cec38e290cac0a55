/**
 * Where tables are written: in Markdown, as blocks of the language `scenario` under headings that say what they show; or alone,
 * a file a table.
 */
import type { Table } from './scenario-check.ts';

/** The tables of a file, by its name: Markdown has any number, any other file is one. */
export function tablesOf(path: string, text: string): readonly Table[] {
  if (!path.endsWith('.md')) return [{ title: path.split('/').at(-1) ?? path, path, line: 1, text }];
  const tables: Table[] = [];
  let title = path;
  let begun: { readonly line: number; readonly text: string[] } | null = null;
  text.split('\n').forEach((line, i) => {
    const heading = /^#+ (.+)$/.exec(line);
    if (begun !== null && line.trim() === '```') {
      tables.push({ title, path, line: begun.line, text: begun.text.join('\n') });
      begun = null;
    } else if (begun !== null) begun.text.push(line);
    else if (line.trim() === '```scenario') begun = { line: i + 2, text: [] };
    else if (heading !== null) title = heading[1] as string;
  });
  return tables;
}

/** The file with another text in the table's place. */
export const withTable = (file: string, table: Table, text: string): string => {
  const lines = file.split('\n');
  const length = table.text.split('\n').length;
  return [...lines.slice(0, table.line - 1), ...text.split('\n'), ...lines.slice(table.line - 1 + length)].join('\n');
};
