/**
 * Patterns of user ids, as a token's claim `watch` has them: whole ids, and ids with `*` for any run of characters.
 *
 * **Limit.** `PATTERNS_MAX` a token (a token has 8 KiB at most); what is beyond it names nobody.
 */
export const PATTERNS_MAX = 1_000;

export class Patterns {
  readonly #ids = new Set<string>();
  readonly #patterns: (readonly string[])[] = [];

  constructor(texts: readonly string[]) {
    for (const text of texts.slice(0, PATTERNS_MAX)) {
      if (!text.includes('*')) this.#ids.add(text);
      else this.#patterns.push(text.split('*'));
    }
  }

  match(userId: string): boolean {
    return this.#ids.has(userId) || this.#patterns.some((pieces) => fits(pieces, userId));
  }
}

/** The pieces between stars, each found as early as it can be: no text takes long, however many stars it has. */
function fits(pieces: readonly string[], id: string): boolean {
  const first = pieces[0] as string;
  const last = pieces.at(-1) as string;
  if (id.length < first.length + last.length || !id.startsWith(first) || !id.endsWith(last)) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = id.indexOf(piece, at);
    if (found < 0 || found + piece.length > id.length - last.length) return false;
    at = found + piece.length;
  }
  return true;
}

/** Of a claim: a list of texts, or one text with spaces; undefined for anything else. */
export function patternsOf(claim: unknown): Patterns | undefined {
  if (typeof claim === 'string') return new Patterns(claim.split(' ').filter((text) => text !== ''));
  if (!Array.isArray(claim)) return undefined;
  return new Patterns(claim.filter((text): text is string => typeof text === 'string'));
}
