/** A topic, where settings ask for one. */
import type { Setting } from '../../processors/settings.ts';
import type { Topic } from '../topics.ts';

export const isTopic = (value: unknown): value is Topic<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { readonly name?: unknown }).name === 'string';

export const aTopic: Setting<false> = { is: 'one of topology/topics.ts', fits: isTopic, optional: false };
