/**
 * presence: what devices, gateways and operators say, in; what each user is, and each change of it, out.
 *
 * A user is what their override says, else what the highest source of their living devices says, window by
 * window; `offline` once every device has said goodbye, fallen silent, or lost its gateway.
 */
import { dedupe, diff, minutes, ms, offlineTimeout, seconds, windowedPrecedence } from '../processors/index.ts';
import { cockroachSink, kafkaSink, redisSink, topology } from './kit/index.ts';
import { topics } from './topics.ts';

export const presence = topology('presence', 1, {
  name: 'signals',
  topic: topics.signals,
  key: 'user_id',
  clock: { hole: ms(1_500), settle: seconds(2), leap: seconds(1) },
})
  .pipe(
    dedupe('drop-repeats', {
      by: 'seq',
      within: 'session_id',
      remember: { sessions: 8, for: minutes(10) },
      devices: 100,
      store: 'sessions',
    }),
    windowedPrecedence('strongest-signal', {
      sources: ['manual', 'app', 'inferred'],
      states: ['dnd', 'busy', 'online', 'away', 'offline'],
      window: ms(200),
      stagger: ms(25),
      store: 'claims',
    }),
    offlineTimeout('silence', { lease: seconds(3), grace: seconds(1), forget: minutes(10), store: 'lives' }),
    diff('changes', { flush: seconds(30), store: 'emitted' }),
  )
  .to(
    kafkaSink('state', { writes: 'states', topic: topics.state }),
    kafkaSink('diffs', { writes: 'diffs', topic: topics.diffs }),
    cockroachSink('durable', {
      state: topics.state,
      history: topics.diffs,
      tables: ['presence', 'presence_users', 'presence_history'],
    }),
    redisSink('hot', { state: topics.state, keys: ['presence:state:{n}', 'presence:last_seen:{n}'] }),
  );
