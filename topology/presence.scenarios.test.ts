import { describe, expect, test } from 'vitest';
import { play, tidy } from './kit/scenario.ts';
import { toPlay } from './kit/vitest.ts';
import { scenarios } from './presence.scenarios.ts';
import { presence } from './presence.ts';

expect.extend({ toPlay });

describe.each([...new Set(scenarios.map(({ rule }) => rule))])('%s', (rule) => {
  const ours = scenarios.filter((scenario) => scenario.rule === rule).map(({ title, table }) => [title, table] as const);
  test.each(ours)('%s', (_title, table) => {
    expect(presence).toPlay(table);
  });

  test.each(ours)('with nobody in memory to whom nothing happens: %s', (_title, table) => {
    expect(presence).toPlay(table, { hotUsers: 0 });
  });

  // Controls are left out: a gateway may be asked to restate once more after a restart.
  test.each(ours)('after a restart at every record: %s', (_title, table) => {
    const withoutControls = (text: string) => text.replace(/^!.*\n?/gm, '').trimEnd();
    expect(withoutControls(play(presence, table, { restarting: true }))).toBe(withoutControls(tidy(table)));
  });
});
