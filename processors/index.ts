/** The stages that topologies are made of. */
export { type DedupeOptions, dedupe } from './dedupe.ts';
export { type Changes, type DiffOptions, diff } from './diff.ts';
export { type OfflineTimeoutOptions, offlineTimeout } from './offline-timeout.ts';
export { days, hours, type Millis, minutes, ms, seconds } from './time.ts';
export { type WindowedPrecedenceOptions, windowedPrecedence } from './windowed-precedence.ts';
