/**
 * Pages: what is served without a token to whoever asks. Most are files, read once at start (the live page at `/` and
 * what it loads); some are made anew for each who asks, such as the topology's figures.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import type { Head, Reply } from './call.ts';

export interface StaticPage {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

export interface LivePage {
  readonly type: string;
  /** Its text as of now. Anyone may ask, as often as they like: it must be cheap. */
  readonly live: () => Promise<string>;
}

export type Page = StaticPage | LivePage;

/** By URL path. */
export type Pages = ReadonlyMap<string, Page>;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  // Browsers show text, and keep what they do not know for their user to open.
  '.md': 'text/plain; charset=utf-8',
};

export const page = (body: Buffer, type: string): StaticPage => ({
  type,
  body,
  etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
});

/** The files below `folder` that have one of the types above; index.html also as its folder, x.html also as x. */
export async function loadPages(folder: string, under = '/'): Promise<Pages> {
  const pages = new Map<string, Page>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const type = types[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const file = join(entry.parentPath, entry.name);
    const path = `${under}${relative(folder, file).split(sep).join('/')}`;
    const loaded = page(await readFile(file), type);
    pages.set(path, loaded);
    if (entry.name === 'index.html') pages.set(path.slice(0, -'index.html'.length), loaded);
    else if (entry.name.endsWith('.html')) pages.set(path.slice(0, -'.html'.length), loaded);
  }
  return pages;
}

const security = { 'content-security-policy': "frame-ancestors 'none'; base-uri 'none'" };

export async function servePage(found: Page, head: Pick<Head, 'ifNoneMatch'>): Promise<Reply> {
  if ('live' in found) return { status: 200, headers: security, bytes: await found.live(), type: found.type };
  const headers = { etag: found.etag, 'cache-control': 'no-cache', ...security };
  if (head.ifNoneMatch === found.etag) return { status: 304, headers };
  return { status: 200, headers, bytes: found.body, type: found.type };
}
