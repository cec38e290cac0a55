/** The client library as the page loads it: one module, made of its sources at start (some 30 ms), so that it is never stale. */
import { fileURLToPath } from 'node:url';
import { page, type StaticPage } from '../gateway/http/pages.ts';

const entry = fileURLToPath(new URL('../web/client.js', import.meta.url));

/** Rejects with esbuild's words where the sources do not compile. */
export async function clientBundle(): Promise<StaticPage> {
  // Not at the top: commands that serve no page need not load it.
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    logLevel: 'silent',
  });
  const [module] = outputFiles;
  return page(Buffer.from((module as (typeof outputFiles)[0]).contents), 'text/javascript; charset=utf-8');
}
