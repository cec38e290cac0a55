/** docs/stages.md: what /topology says of each part comes from it, so each part has its section. */
import { expect, test } from 'vitest';
import { presence } from '../../topology/presence.ts';
import { read } from './page.ts';

test('every part of the topology has a section with a first paragraph in docs/stages.md, and every section is a part', () => {
  const { source, stages, sinks } = presence.spec;
  const parts = [
    'gateways in',
    source.topic,
    ...stages.map(({ kind }) => kind),
    ...sinks.map(({ kind, target }) => (kind === 'kafka' ? target : kind)),
    'gateways out',
  ];
  const sections = read('docs/stages.md').split(/^## /m).slice(1);
  expect(sections.map((section) => section.split('\n')[0])).toEqual(parts);
  expect(sections.filter((section) => (section.split('\n')[2] ?? '').length < 20)).toEqual([]);
});
