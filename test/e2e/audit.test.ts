/** `presence audit` on what a whole system left in its folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { presence } from './process.ts';

test('a read is kept with AUDIT=on, and told by who read and by whom; nothing else is', { timeout: 240_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'presence-audit-'));
  try {
    const up = presence(['up', '--port', '0', '--data-dir', folder], { AUDIT: 'on' });
    const url = (await up.printed(/http:\/\/127\.0\.0\.1:\d+/))[0];
    const read = await fetch(`${url}/presence?user_ids=ada,cyd`, { headers: { authorization: 'Bearer dev:bob' } });
    expect(read.status).toBe(200);
    expect(await up.end()).toMatchObject({ code: 0 });

    const asked = async (...args: readonly string[]): Promise<string> => {
      const command = presence(['audit', ...args], { DATA_DIR: folder });
      expect(await command.ended, command.stderr).toMatchObject({ code: 0 });
      return command.stdout;
    };
    expect(await asked('--watcher', 'bob')).toMatch(/^20\S+Z\tbob\tread\tada cyd\n$/);
    const [line = '', end] = (await asked('--watched', 'cyd', '--since', '1h', '--json')).split('\n');
    expect(JSON.parse(line)).toMatchObject({ watcher: 'bob', action: 'read', users: ['cyd'], allowed: true, times: 1 });
    expect(end).toBe('');
    expect(await asked('--watched', 'bob')).toBe('');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
