/** `presence drain`: a gateway takes no more streams, and moves those there elsewhere, slowly. */
import { type Command, InvalidArgumentError } from 'commander';
import { request, targetOf } from './http.ts';

export function addDrain(program: Command): void {
  program
    .command('drain')
    .description('Moves the clients of one gateway elsewhere, before it is stopped.')
    .argument('<url>', 'that gateway itself, not the load balancer before it')
    .option('--over <seconds>', 'how long it may take (default: as the gateway has it)', seconds)
    .option('--token <token>', 'who asks, with presence:admin. Default: dev-admin:operator. [PRESENCE_TOKEN]')
    .addHelpText('after', '\nExample:\n  presence drain http://10.0.3.7:8080 --over 120')
    .action(async (url: string, options: { readonly over?: number; readonly token?: string }) => {
      const target = targetOf({ url, ...(options.token === undefined ? {} : { token: options.token }) });
      const body = options.over === undefined ? {} : { over_ms: options.over * 1_000 };
      const { body: answer } = await request(target, 'POST', '/admin/drain', [202], body);
      const { connections, over_ms } = answer as { readonly connections: number; readonly over_ms: number };
      process.stdout.write(`${target.url} is being drained: ${connections} connections over ${over_ms / 1_000} s.\n`);
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('must be a number above 0');
  return value;
}
