/** `presence overrides`: what operators do with a user's override, through a gateway. */
import type { Command } from 'commander';
import { request, type Target, targetOf, withTarget } from './http.ts';
import { notYet } from './not-yet.ts';

interface OverrideAnswer {
  readonly override_id: string;
  readonly state: string;
  readonly until: string | null;
  readonly reason: string | null;
}

const pathOf = (user: string): string => `/presence/override?user_id=${encodeURIComponent(user)}`;

async function find(target: Target, user: string): Promise<OverrideAnswer | null> {
  const { status, body } = await request(target, 'GET', pathOf(user), [200, 404]);
  return status === 404 ? null : (body as OverrideAnswer);
}

const line = (user: string, { state, until, override_id, reason }: OverrideAnswer): string =>
  `${[user, state, until === null ? 'open' : `until ${until}`, override_id, ...(reason === null ? [] : [reason])].join('\t')}\n`;

export function addOverrides(program: Command): void {
  const overrides = program
    .command('overrides')
    .description('Shows and clears overrides of users, through a gateway.')
    .addHelpText(
      'after',
      '\nExamples:\n  presence overrides get ada\n  presence overrides clear ada bob --url https://presence.example.com',
    );

  withTarget(
    overrides.command('list').description('The overrides of these users; those without one are left out.').argument('[users...]'),
  ).action(async (users: readonly string[], options: Partial<Target>) => {
    if (users.length === 0) throw notYet('Listing the overrides of all users', 'Name the users: presence overrides list ada bob');
    const target = targetOf(options);
    for (const user of users) {
      const found = await find(target, user);
      if (found !== null) process.stdout.write(line(user, found));
    }
  });

  withTarget(overrides.command('get').description("A user's override as JSON; 1 if there is none.").argument('<user>')).action(
    async (user: string, options: Partial<Target>) => {
      const found = await find(targetOf(options), user);
      if (found !== null) process.stdout.write(`${JSON.stringify(found)}\n`);
      else {
        process.stderr.write(`${user} has no override.\n`);
        process.exitCode = 1;
      }
    },
  );

  withTarget(overrides.command('clear').description('Ends the overrides of these users.').argument('<users...>')).action(
    async (users: readonly string[], options: Partial<Target>) => {
      const target = targetOf(options);
      for (const user of users) {
        await request(target, 'DELETE', pathOf(user), [200, 202, 204]);
        process.stdout.write(`${user}: cleared.\n`);
      }
    },
  );
}
