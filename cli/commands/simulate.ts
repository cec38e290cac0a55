/** `presence simulate`: a scenario played through the topology in virtual time. The world of simulated clients comes later. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { PresenceError } from '../../base/errors.ts';
import { notYet } from './not-yet.ts';

export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('Plays a scenario (a table of signals) through the topology, in virtual time, and prints the diffs.')
    .argument('[file]', 'the scenario; - reads it from standard input')
    .addHelpText(
      'after',
      `
How a scenario is written: topology/kit/scenario.ts; examples: topology/presence.scenarios.ts.

Example:
  presence simulate - < scenario.txt`,
    )
    .action(async (file: string | undefined) => {
      if (file === undefined)
        throw notYet(
          'A simulated world of clients',
          'Name a scenario to play one through the topology: presence simulate <file>',
        );
      const { play } = await import('../../topology/kit/scenario.ts');
      const { presence } = await import('../../topology/presence.ts');
      let table: string;
      try {
        table = readFileSync(file === '-' ? 0 : file, 'utf8');
      } catch (cause) {
        throw new PresenceError('BAD_SETTING', `${file} cannot be read: ${(cause as Error).message}`, {
          at: 'file',
          retriable: false,
          cause,
        });
      }
      process.stdout.write(`${play(presence, table)}\n`);
    });
}
