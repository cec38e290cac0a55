/**
 * Structured logs. By who must act: error = an operator must do something; warn = odd, nothing lost;
 * info = an action finished; debug = the rest. A sentence with capital and full stop, fields apart,
 * never one line per record above debug.
 */
import { type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;

export interface LoggerOptions {
  /** `trace` to `fatal`, or `silent`. Default `info`, or LOG_LEVEL. */
  readonly level?: string;
  readonly name?: string;
}

export function createLogger(options: LoggerOptions = {}): Logger {
  return pino({ name: options.name ?? 'presence', level: options.level ?? process.env.LOG_LEVEL ?? 'info' }, pino.destination(2));
}

/** For tests and embedding: says nothing. */
export const silentLogger: Logger = pino({ level: 'silent' });
