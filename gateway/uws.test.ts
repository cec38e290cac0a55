import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../base/errors.ts';
import { choose, HEAD_BYTES, loadUws, type Require } from './uws.ts';
import { loadNode20, withHeadLimit } from './uws-node20.ts';

const fakeRequire = (load: (id: string) => unknown): Require =>
  Object.assign(load, { resolve: (id: string) => `/somewhere/${id}` });
const fails = (why: string) => () => {
  throw new Error(why);
};

describe('which uWebSockets.js is taken', () => {
  test('one that loads here takes heads of 64 KB in any number of segments', () => {
    expect(loadUws()).toMatchObject({ headBytesMax: HEAD_BYTES });
    expect(loadUws()).toBe(loadUws());
  });

  test('the current line, where it loads', () => {
    const module = { App: 1 };
    expect(choose(fakeRequire((id) => (id === 'uWebSockets.js' ? module : fails('no')())))).toMatchObject({
      name: 'uWebSockets.js',
      uws: module,
    });
  });

  test("else the older one's binary, and never its JavaScript fallback", () => {
    const asked: string[] = [];
    const load = (id: string): unknown => {
      asked.push(id);
      if (id === 'uWebSockets.js') throw new Error('GLIBC_2.38 not found');
      return { App: 2 };
    };
    const other = Object.assign(load, { resolve: (id: string) => `/somewhere/${id.replace(/linux_x64/, 'plan9')}` });
    expect(choose(other)).toMatchObject({ name: 'uws-node20', headBytesMax: 4_096 });
    expect(asked.at(-1)).toMatch(/^\/somewhere\/uws-node20\/binaries\/.*\.node$/);
  });

  test('where neither loads: NO_BINARY, which says what would do', () => {
    try {
      choose(fakeRequire(fails('GLIBC_2.38 not found')));
      expect.unreachable();
    } catch (error) {
      if (!hasCode(error, 'NO_BINARY')) throw error;
      expect(error.message).toContain(`Node ${process.versions.node}`);
      expect(error.help).toMatch(/Node 20, 22, 24 or 25 with glibc 2\.38/);
    }
  });
});

describe('the older binary', () => {
  test('one that is not known is left as it is', () => {
    expect(withHeadLimit(Buffer.from('not it'), 65_536)).toBeUndefined();
  });

  test.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('where its copy does not load, the original does', () => {
    const file = createRequire(import.meta.url).resolve('uws-node20/binaries/uws_linux_x64_115.node');
    const loads = (id: string): unknown => (id === file ? 'original' : fails('noexec')());
    expect(loadNode20(file, 65_536, loads)).toEqual({ module: 'original', headBytesMax: 4_096 });
    expect(loadNode20(file, 65_536, (id) => id)).toMatchObject({
      headBytesMax: 65_536,
      module: expect.not.stringContaining(file),
    });
  });
});
