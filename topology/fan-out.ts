/**
 * fan-out: each diff once to every gateway that has a watcher of its user.
 *
 * A gateway says which users of a partition it wants; it is told their present state, and from there on each change, or the
 * newest of several where a user flaps. `FANOUT=routed` reads what this writes; docs/fan-out.md says when that wins.
 */
import { damp } from '../processors/fan-out/damp.ts';
import { newest } from '../processors/fan-out/newest.ts';
import { route } from '../processors/fan-out/route.ts';
import { minutes, ms, seconds } from '../processors/time.ts';
import { deliverySink, joined } from './kit/joined.ts';
import { topics } from './topics.ts';

export const fanOut = joined('fan-out', 1, {
  name: 'diffs',
  topic: topics.diffs,
  joins: topics.routes,
  table: topics.state,
  key: 'user_id',
  clock: { hole: ms(1_500), settle: seconds(2), leap: seconds(1) },
})
  .pipe(
    newest('users', { remember: minutes(7), changes: 500_000, store: 'newest' }),
    damp('flapping', { changes: 15, within: minutes(1), most: 2, store: 'gates' }),
    route('gateways', { lease: seconds(3), again: seconds(1), told: 1_000, store: 'wanted' }),
  )
  .to(deliverySink('deliveries', { topic: topics.deliveries }));
