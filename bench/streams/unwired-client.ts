/** A client without a socket: it keeps the cursor that it was last given, and counts. */
import type { Connection } from '../../gateway/parts.ts';

export class Client implements Connection {
  readonly id: string;
  readonly userKey: string;
  readonly tenant = 'default';
  readonly open = true;
  readonly slow = false;
  readonly watched: readonly string[];
  /** The cursor that it comes back with. */
  readonly since: string;
  /** The newest. */
  cursor = '';
  diffs = 0;
  readonly #number: number;

  constructor(number: number, watched: readonly string[], since = '') {
    this.#number = number;
    this.id = `c${number}`;
    this.userKey = `watcher-${number}`;
    this.watched = watched;
    this.since = since;
  }

  again(): Client {
    return new Client(this.#number, this.watched, this.cursor);
  }

  send(text: string): boolean {
    const at = text.lastIndexOf('"cursor":"');
    if (at >= 0) this.cursor = text.slice(at + 10, -2);
    if (text.startsWith('{"type":"diffs"')) this.diffs += text.split('"user_id"').length - 1;
    return true;
  }

  refuse(code: string): void {
    throw new Error(`${this.id} was refused: ${code}`);
  }
}
