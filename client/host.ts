/** What a browser tells of its page and network; nothing where there is none. */

/** Where events come from: `document` and `window` have it. */
export interface Target {
  addEventListener(name: string, listener: () => void): void;
  removeEventListener(name: string, listener: () => void): void;
}

export interface Host {
  readonly document?: (Target & { readonly visibilityState?: string }) | undefined;
  readonly window?: Target | undefined;
}

/** This page's, if it is one. A worker has events of the network only. */
export function ownHost(): Host {
  const { document, addEventListener } = globalThis as { document?: Host['document']; addEventListener?: unknown };
  return { document, window: typeof addEventListener === 'function' ? (globalThis as unknown as Target) : undefined };
}

/**
 * Calls back when a page is shown again (also from the back/forward cache), or woken, or the network is back: moments at which
 * a connection may have broken unseen. Returns what ends it.
 */
export function watchHost({ document, window }: Host, look: () => void): () => void {
  const shown = (): void => {
    if (document?.visibilityState !== 'hidden') look();
  };
  const all: readonly (readonly [Target | undefined, string, () => void])[] = [
    [document, 'visibilitychange', shown],
    [document, 'resume', look],
    [window, 'online', look],
    [window, 'pageshow', shown],
  ];
  for (const [target, name, listener] of all) target?.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of all) target?.removeEventListener(name, listener);
  };
}
