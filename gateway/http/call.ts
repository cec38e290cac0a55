/**
 * One HTTP request as handlers see it.
 *
 * uWS' own objects are traps: `req` lives only until the handler returns, `res` must not be touched once it is
 * aborted, and whatever is not answered at once needs an abort handler. So the head is copied at once, the
 * body is collected from whatever pieces come, and answering goes through `respond`, which knows whether anyone
 * still listens. Nothing else in the gateway touches `res`.
 */
import { STATUS_CODES } from 'node:http';
import { gauge } from '../../base/metrics.ts';
import type { HttpRequest, HttpResponse } from '../uws.ts';
import { Problem, unavailable } from './problem.ts';

/** contract.md: "a body over 2 MiB: 413". */
export const BODY_LIMIT_BYTES = 2 * 1024 * 1024;
/** Of all bodies that are being received; beyond it 503. */
export const BODIES_BYTES_MAX = 256 * 1024 * 1024;

const receiving = gauge('presence_http_bodies_bytes', 'Bytes of request bodies that are being received.');
let receivingBytes = 0;
const received = (bytes: number): void => {
  receivingBytes += bytes;
  receiving.set(receivingBytes);
};
/** contract.md: "16 KB of URL, else 414". */
export const URL_LIMIT_BYTES = 16 * 1024;

export interface Head {
  /** In upper case. */
  readonly method: string;
  readonly path: string;
  /** Raw, without the `?`. */
  readonly query: string;
  readonly authorization: string;
  readonly contentType: string;
  readonly contentLength: string;
  readonly origin: string;
  readonly host: string;
  readonly traceparent: string;
  readonly ifNoneMatch: string;
}

export function readHead(req: HttpRequest): Head {
  return {
    method: req.getMethod().toUpperCase(),
    path: req.getUrl(),
    query: req.getQuery() ?? '',
    authorization: req.getHeader('authorization'),
    contentType: req.getHeader('content-type'),
    contentLength: req.getHeader('content-length'),
    origin: req.getHeader('origin'),
    host: req.getHeader('host'),
    traceparent: req.getHeader('traceparent'),
    ifNoneMatch: req.getHeader('if-none-match'),
  };
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, unless `type` says otherwise. */
  readonly json?: unknown;
  readonly bytes?: string | Buffer;
  readonly type?: string;
}

/** The answering side of one request. */
export class Responder {
  readonly #res: HttpResponse;
  readonly #bodiless: boolean;
  #over = false;
  #aborted: (() => void) | undefined;

  /** Must be made before the handler returns. `bodiless`: a HEAD. */
  constructor(res: HttpResponse, options: { readonly bodiless: boolean }) {
    this.#res = res;
    this.#bodiless = options.bodiless;
    res.onAborted(() => {
      this.#over = true;
      this.#aborted?.();
    });
  }

  /** Answered, or nobody listens any more. */
  get over(): boolean {
    return this.#over;
  }

  /** Sends the answer, all of it; nothing if nobody listens any more. */
  respond(reply: Reply): void {
    if (this.#over) return;
    this.#over = true;
    const body = reply.bytes ?? (reply.json === undefined ? undefined : JSON.stringify(reply.json));
    const type = reply.type ?? (reply.json === undefined ? undefined : 'application/json');
    const res = this.#res;
    res.cork(() => {
      res.writeStatus(`${reply.status} ${STATUS_CODES[reply.status] ?? 'Unknown'}`);
      if (type !== undefined) res.writeHeader('content-type', type);
      for (const [name, value] of Object.entries(reply.headers ?? {})) res.writeHeader(name, value);
      if (this.#bodiless) res.endWithoutBody(body === undefined ? 0 : Buffer.byteLength(body));
      else if (body === undefined && (reply.status === 204 || reply.status === 304)) res.endWithoutBody();
      else res.end(body ?? '');
    });
  }

  /** Makes a WebSocket of it, unless nobody listens any more. */
  upgrade(run: (res: HttpResponse) => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#res.cork(() => run(this.#res));
  }

  /**
   * The body, whole, from whatever pieces come. Must be called before the handler returns. Rejects with 413 as
   * soon as it is known to be too long: what follows is read by uWS and thrown away, so that the connection
   * stays in step. Never settles once the request is aborted.
   */
  body(contentLength: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const tooLarge = () => reject(new Problem('too_large', `The body is larger than ${BODY_LIMIT_BYTES} bytes.`));
      if (Number(contentLength) > BODY_LIMIT_BYTES) {
        tooLarge();
        return;
      }
      let chunks: Buffer[] | null = [];
      let size = 0;
      const end = (): readonly Buffer[] => {
        const whole = chunks ?? [];
        received(chunks === null ? 0 : -size);
        chunks = null;
        return whole;
      };
      this.#aborted = end;
      this.#res.onData((chunk, isLast) => {
        if (chunks === null) return; // refused: what follows is thrown away
        if (size + chunk.byteLength > BODY_LIMIT_BYTES || receivingBytes + chunk.byteLength > BODIES_BYTES_MAX) {
          if (size + chunk.byteLength > BODY_LIMIT_BYTES) tooLarge();
          else reject(unavailable('More is being received than this gateway may hold.'));
          end();
          return;
        }
        size += chunk.byteLength;
        received(chunk.byteLength);
        // uWS takes the chunk back when this returns.
        chunks.push(Buffer.from(new Uint8Array(chunk)));
        if (!isLast) return;
        const whole = end();
        resolve(whole.length === 1 ? (whole[0] as Buffer) : Buffer.concat(whole));
      });
    });
  }
}

/**
 * A query's parameters. `+` stays a plus: it is in the alphabet of ids and in times' offsets, a space is in
 * neither. Repeated parameters are joined by commas. A malformed escape is a 400.
 */
export function parseQuery(query: string): Record<string, string> {
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
  if (query === '') return parameters;
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    const before = parameters[name];
    parameters[name] = before === undefined ? value : `${before},${value}`;
  }
  return parameters;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
    throw new Problem('bad_input', 'The query is not valid: a percent sign is not followed by two hex digits of UTF-8.', {
      errors: [{ detail: `cannot be decoded: ${shown}` }],
    });
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON of a body; 415 for another type, 400 for what is no JSON. */
export function parseJson(bytes: Buffer, contentType: string): unknown {
  // No type at all is taken for JSON: there is no other kind here.
  if (contentType !== '' && !/^\s*application\/([\w.+-]+\+)?json\s*(;|$)/i.test(contentType)) {
    throw new Problem('unsupported_media_type', `The body is ${contentType}; send application/json.`, {
      headers: { accept: 'application/json' },
    });
  }
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    const detail = bytes.length === 0 ? 'is empty' : `is not JSON in UTF-8: ${(error as Error).message}`;
    throw new Problem('bad_input', `The body ${detail}.`, { errors: [{ detail, pointer: '#' }], cause: error });
  }
}
