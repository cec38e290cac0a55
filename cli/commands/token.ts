/** `presence token`: a token signed with AUTH_JWT_SECRET, to try things with. */
import { type Command, InvalidArgumentError } from 'commander';
import { PresenceError } from '../../base/errors.ts';
import { ID_PATTERN } from '../../schemas/signal.ts';

interface TokenOptions {
  readonly scope: string;
  readonly ttl: number;
  readonly tenant?: string;
}

export function addToken(program: Command): void {
  program
    .command('token')
    .description('Prints a token signed with AUTH_JWT_SECRET, to try things with.')
    .argument('<user>', 'whose', (text) => {
      if (!ID_PATTERN.test(text)) throw new InvalidArgumentError('must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -');
      return text;
    })
    .option('--scope <scopes>', 'what it allows', 'presence:read presence:write')
    .option('--tenant <tenant>', 'of another tenant than the default one')
    .option('--ttl <seconds>', 'how long it holds', Number, 3_600)
    .addHelpText('after', "\nExample:\n  ADA=$(AUTH_JWT_SECRET=… presence token ada --scope 'presence:read presence:write')")
    .action(async (user: string, options: TokenOptions) => {
      const secret = process.env.AUTH_JWT_SECRET ?? '';
      if (secret === '') {
        throw new PresenceError('BAD_SETTING', 'AUTH_JWT_SECRET is not set.', {
          at: 'AUTH_JWT_SECRET',
          retriable: false,
          help: 'A gateway on loopback without keys takes `dev:<user>` and `dev-admin:<user>` as tokens.',
        });
      }
      const { SignJWT } = await import('jose');
      const claims = { scope: options.scope, ...(options.tenant === undefined ? {} : { tenant: options.tenant }) };
      const now_s = Math.floor(Date.now() / 1_000);
      const token = new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(user)
        .setIssuedAt(now_s)
        .setExpirationTime(now_s + options.ttl);
      process.stdout.write(`${await token.sign(new TextEncoder().encode(secret))}\n`);
    });
}
