/** contract.md: `fresh_at` is when a state was last confirmed; the `last_seen` of a user who lives on a stream is `fresh_at`. */
import { expect, test } from 'vitest';
import { blobOf } from '../../connectors/blob.ts';
import { presenceOf } from '../../gateway/presence-of.ts';
import { seen } from './harness.ts';

const at = (ms: number): string => new Date(ms).toISOString();
const T = 1_800_000_000_000;

test.each`
  lives            | beat       | written    | sinks      | fresh_at   | last_seen
  ${'on a stream'} | ${T + 400} | ${T + 100} | ${T + 290} | ${T + 400} | ${T + 400}
  ${'on a stream'} | ${T + 100} | ${T + 100} | ${T + 290} | ${T + 290} | ${T + 290}
  ${'by beats'}    | ${T + 400} | ${T + 100} | ${T + 290} | ${T + 290} | ${T + 400}
`('who lives $lives: last beat $beat, sinks as far as $sinks', ({ lives, beat, written, sinks, fresh_at, last_seen }) => {
  const live = { since: T, last_seen: beat, streaming: lives === 'on a stream' };
  const state = seen('bob');
  const blob = blobOf({ ...state, ...live, public: { ...state.public, ...live } }, { partition: 0, offset: 1, stamp: written });
  const progress = { partition: 0, epoch: 7, offset: 1, stamp: sinks, input_offset: 0, from: 0 };
  for (const userKey of ['bob', 'ada'])
    expect(presenceOf('bob', { blob, progress }, { userKey, tenant: 'default', admin: false } as never, T + 500)).toMatchObject({
      fresh_at: at(fresh_at),
      last_seen: at(last_seen),
    });
});
