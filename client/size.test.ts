/** What a page pays for the library. */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

test('bundled and minified it is under 8 KB gzipped, and needs no other package', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [`${import.meta.dirname}/index.ts`],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    write: false,
    metafile: true,
  });
  const size = gzipSync(outputFiles[0]!.contents).length;
  console.log(`The client library is ${size} bytes, gzipped.`);
  expect(size).toBeLessThan(8 * 1024);
  expect(Object.keys(metafile.inputs).filter((path) => !/^client\/[\w-]+\.ts$/.test(path))).toEqual([]);
});
