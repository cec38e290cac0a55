/**
 * One file of JavaScript made of a command's sources, so that the author's tools answer at once.
 *
 * Transpiling file by file and loading each takes a quarter of a second; a bundle of the same sources is made in a tenth and
 * loaded in a fiftieth. It is kept in node_modules/.cache and used again only while **every source has the content that
 * it was made of**: all of them are read and hashed at each start (3 ms), so an edit is always seen, whatever its time and
 * size. What the packages are is told by npm's own note of what it installed.
 *
 * A source that says `import.meta.url` means its own place, and gets it.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What is kept beside the newest bundle: another process may be making one, or about to load a part of one. */
const KEPT = 4;

const sha = (...parts) => {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
};

/**
 * Where the bundle of `entry` lies, made anew if a source is not what it was. `leaveOut` says of which
 * relative imports it needs nothing: this command never follows them.
 * Throws with esbuild's words where the sources do not compile.
 */
export async function bundle({ root, entry, leaveOut }) {
  const folder = cacheFolder(root, entry);
  const noted = readNote(join(folder, 'note.json'));
  if (noted !== null && contentOf(root, noted.inputs) === noted.content)
    return pathToFileURL(join(folder, noted.content, 'main.mjs'));
  const { inputs, files } = await build({ root, entry, leaveOut });
  const content = contentOf(root, inputs);
  // Made beside and moved: two that start at once make the same, and neither sees half of it.
  const made = mkdtempSync(join(folder, 'new-'));
  for (const { name, contents } of files) writeFileSync(join(made, name), contents);
  writeFileSync(join(made, 'note'), JSON.stringify({ content, inputs }));
  try {
    renameSync(made, join(folder, content));
  } catch {
    rmSync(made, { recursive: true }); // somebody else's is there
  }
  writeFileSync(join(folder, `note.${process.pid}`), JSON.stringify({ content, inputs }));
  renameSync(join(folder, `note.${process.pid}`), join(folder, 'note.json'));
  forgetOld(folder, content);
  return pathToFileURL(join(folder, content, 'main.mjs'));
}

/** In node_modules/.cache; where that cannot be written, in the machine's folder for such things. */
function cacheFolder(root, entry) {
  const name = `presence-${sha(root, entry).slice(0, 12)}`;
  for (const base of [join(root, 'node_modules/.cache'), join(tmpdir(), 'presence-cache')]) {
    try {
      mkdirSync(join(base, name), { recursive: true });
      return join(base, name);
    } catch {}
  }
  throw new Error(`Neither node_modules/.cache nor ${tmpdir()} can be written.`);
}

function readNote(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null; // none yet
  }
}

/** One hash over all that the bundle depends on; null where something is gone. */
function contentOf(root, inputs) {
  try {
    const texts = inputs.map((input) => readFileSync(join(root, input)));
    return sha(readFileSync(join(root, 'node_modules/.package-lock.json')), readFileSync(import.meta.filename), ...texts);
  } catch {
    return null;
  }
}

function forgetOld(folder, current) {
  const old = readdirSync(folder)
    .filter((name) => name !== current && name !== 'note.json')
    .map((name) => ({ name, at: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.at - a.at);
  for (const { name } of old.slice(KEPT)) rmSync(join(folder, name), { recursive: true, force: true });
}

async function build({ root, entry, leaveOut }) {
  const esbuild = await import('esbuild');
  const ownPlace = {
    name: 'own-place',
    setup(it) {
      it.onResolve({ filter: /^\.\// }, ({ path, resolveDir }) =>
        leaveOut(path) ? { path: pathToFileURL(join(resolveDir, path)).href, external: true } : undefined,
      );
      it.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        return { contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)), loader: 'ts' };
      });
    },
  };
  const { metafile, outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: { main: entry },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outdir: 'out',
    outExtension: { '.js': '.mjs' },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    plugins: [ownPlace],
    // Its exports give Node the CommonJS build, of which nothing can be left out.
    alias: { rxjs: join(root, 'node_modules/rxjs/dist/esm/index.js') },
    // Read only where an error is told (cli/commands/topology/place.ts): the bundle does not name it, so Node does not load it.
    sourcemap: 'external',
    sourcesContent: false,
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  const inputs = Object.keys(metafile.inputs).filter((input) => !input.includes('node_modules/'));
  const files = outputFiles.map(({ path, contents }) => ({ name: relative(join(root, 'out'), path), contents }));
  return { inputs: inputs.sort(), files };
}
