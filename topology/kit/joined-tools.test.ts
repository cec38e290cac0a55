/** describe, lint and plan of a joined topology; and that its committed spec is fresh. */
import { readFileSync } from 'node:fs';
import { expect, describe as suite, test } from 'vitest';
import { joinedSystemOf } from '../../cli/system-spec.ts';
import { incompatibility } from '../../schemas/avsc.ts';
import { fanOut } from '../fan-out.ts';
import type { TopicSpec } from './index.ts';
import { describeJoined, isJoinedSpec, type JoinedSystemSpec } from './joined-describe.ts';
import { planJoined } from './joined-plan.ts';
import { rules } from './lint.ts';
import { joinedRules, lintJoined } from './lint-joined.ts';

const spec = joinedSystemOf(fanOut.spec);
const page = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

suite('described', () => {
  test('as text it says both inputs and the table, and that stores are in memory', () => {
    const [head, , from, joins, table, hole, leap, , users, remember, changes, store] = describeJoined(spec).split('\n');
    expect([head, from, joins, table, hole, leap, users, remember, changes, store]).toEqual([
      'fan-out@1',
      'from presence.diffs by user_id (diffs)',
      '    joined with presence.routes, partitioned alike',
      '    table presence.state, read whole at a takeover',
      '    hole of presence.routes over 1500 ms, then 2 s to settle',
      '    leap back of presence.routes over 1 s',
      'users: newest',
      '    remember 7 min',
      '    changes 500000',
      '    store newest (users, in memory)',
    ]);
    expect(describeJoined(spec)).not.toContain("user's record");
  });

  const topics = ['presence.diffs', 'presence.routes', 'presence.state'];
  const id = (topic: string): string => `topic_${topic.replaceAll('.', '_')}`;

  test('drawn, all that it reads goes into the first stage, and everything is there once', () => {
    const [head, ...lines] = describeJoined(spec, 'mermaid').split('\n');
    expect(head).toBe('flowchart LR');
    for (const topic of topics) expect(lines.filter((line) => line === `  ${id(topic)} --> stage_users`)).toHaveLength(1);
    expect(new Set(lines).size).toBe(lines.length);
    const edges = lines.filter((line) => / (-->|-\.-) /.test(line));
    expect(lines.slice(-edges.length)).toEqual(edges);
    // Four topics, three stages, three stores.
    expect(lines.length - edges.length).toBe(10);
  });

  test('DOT draws the same as Mermaid, and ends where it ends', () => {
    const edgesOf = (text: string, arrow: RegExp): readonly string[] =>
      text.split('\n').flatMap((line) => {
        const [, from, to] = arrow.exec(line) ?? [];
        return from === undefined ? [] : [`${from} ${to}`];
      });
    const dot = describeJoined(spec, 'dot');
    expect(edgesOf(dot, /^ {2}(\w+) -> (\w+)/)).toEqual(
      edgesOf(describeJoined(spec, 'mermaid'), /^ {2}(\w+) (?:-->|-\.-) (\w+)$/),
    );
    expect(dot.split('\n').filter((line) => !line.startsWith('  '))).toEqual(['digraph "fan-out" {', '}']);
    expect(dot.endsWith('}')).toBe(true);
  });

  test('as JSON it is the spec, and known for a joined one', () => {
    const read = JSON.parse(describeJoined(spec, 'json')) as JoinedSystemSpec;
    expect(read).toEqual(spec);
    expect(isJoinedSpec(read)).toBe(true);
  });

  const write = 'npx presence topology describe --topology fan-out --json > fan-out.spec.json';
  test(`fan-out.spec.json is what describe --json prints; if it is not: ${write}`, () => {
    const committed = readFileSync(new URL('../../fan-out.spec.json', import.meta.url), 'utf8');
    expect(committed === `${describeJoined(spec, 'json')}\n`, `fan-out.spec.json is stale. Write it anew: ${write}`).toBe(true);
  });
});

type Edit = (spec: JoinedSystemSpec) => JoinedSystemSpec;
const config =
  (at: number, more: Record<string, number>): Edit =>
  (one) => ({
    ...one,
    stages: one.stages.map((stage, i) => (i === at ? { ...stage, config: { ...stage.config, ...more } } : stage)),
  });
const topic =
  (name: string, more: Partial<TopicSpec>): Edit =>
  (one) => ({
    ...one,
    topics: one.topics.map((each) => (each.name === name ? { ...each, ...more } : each)),
  });

suite('lint', () => {
  test('finds no fault in fan-out', () => {
    expect(lintJoined(spec)).toEqual([]);
  });

  test.each<[string, Edit, string]>([
    ['forgets-too-early', config(0, { remember_ms: 60_000 }), 'fan-out.users: remember 1 min is less than the 370 s of a resume'],
    [
      'partitions-differ',
      topic('presence.routes', { partitions: 3 }),
      'fan-out.diffs: presence.routes has 3 partitions, presence.diffs has 8: they cannot be joined',
    ],
    ['no-sink', (one) => ({ ...one, sinks: [] }), 'fan-out: has no sink: nothing of it would be seen'],
    ['limit-zero', config(2, { told: 0 }), 'fan-out.gateways: told is 0: a record would hold nobody'],
    ['limit-zero', config(1, { most: 0 }), 'fan-out.flapping: most is 0: the newest state of a flapping user would never come'],
  ])('%s', (rule, edit, said) => {
    const faults = lintJoined(edit(spec));
    expect(faults.map((fault) => [fault.rule, `${fault.at}: ${fault.message}`])).toEqual([[rule, said]]);
  });

  test('each rule has its page', () => {
    const elsewhere = joinedRules.map(({ id }) => id).filter((id) => !rules.some((rule) => rule.id === id));
    const sections = [...page('fan-out.md').matchAll(/^### ([a-z-]+)$/gm)].map(([, name]) => name);
    expect(sections).toEqual(elsewhere);
  });
});

suite('plan', () => {
  const planned = (edit: Edit) => planJoined(spec, edit(spec), incompatibility);

  test('no edit, no change', () => {
    expect(planned((one) => one)).toMatchObject({ verdict: 'compatible', changes: [] });
  });

  test.each<[string, Edit, string, readonly string[]]>([
    ['a setting', config(1, { most: 4 }), 'compatible', ['fan-out.flapping.most: most 2 -> most 4']],
    [
      'a longer memory',
      config(0, { remember_ms: 480_000 }),
      'compatible',
      ['fan-out.users.remember: remember 7 min -> remember 8 min'],
    ],
    ['another limit', config(2, { told: 10 }), 'compatible', ['fan-out.gateways.told: told 1000 -> told 10']],
    ['a version', (one) => ({ ...one, version: 2 }), 'compatible', ['fan-out.version: 1 -> 2']],
    [
      'a stage fewer',
      (one) => ({ ...one, stages: one.stages.filter(({ kind }) => kind !== 'damp') }),
      'compatible',
      ['fan-out.flapping: damp -> null'],
    ],
    [
      'another order',
      (one) => ({ ...one, stages: [...one.stages].reverse() }),
      'compatible',
      ['fan-out.stages: users > flapping > gateways -> gateways > flapping > users'],
    ],
    [
      'a stage and its store renamed',
      (one) => ({ ...one, stages: one.stages.map((stage) => ({ ...stage, name: `a-${stage.name}` })) }),
      'compatible',
      ['users -> a-users', 'flapping -> a-flapping', 'gateways -> a-gateways'].map(
        (what) => `fan-out.${what.split(' ').at(-1)}.name: ${what}`,
      ),
    ],
    [
      'another clock',
      (one) => ({ ...one, source: { ...one.source, clock: { hole_ms: 2_000, settle_ms: 2_000, leap_ms: 1_000 } } }),
      'compatible',
      ['fan-out.diffs.clock: hole 1500 ms, settle 2 s, leap 1 s -> hole 2 s, settle 2 s, leap 1 s'],
    ],
    [
      'another table',
      (one) => ({ ...one, table: 'presence.state2' }),
      'migration',
      ['fan-out.diffs.table: presence.state -> presence.state2'],
    ],
    [
      'other routes',
      (one) => ({ ...one, joins: 'presence.routes2' }),
      'migration',
      ['fan-out.diffs.joins: presence.routes -> presence.routes2'],
    ],
    [
      'told elsewhere',
      (one) => ({ ...one, sinks: one.sinks.map((sink) => ({ ...sink, target: 'presence.told' })) }),
      'migration',
      ['fan-out.deliveries: null -> presence.told', 'fan-out.deliveries: presence.deliveries -> null'],
    ],
    [
      'partitions of the routes',
      topic('presence.routes', { partitions: 16 }),
      'migration',
      ['topics.presence.routes.partitions: 8 -> 16'],
    ],
    [
      'partitions of the deliveries',
      topic('presence.deliveries', { partitions: 16 }),
      'migration',
      ['topics.presence.deliveries.partitions: 8 -> 16'],
    ],
    [
      'partitions of the diffs',
      topic('presence.diffs', { partitions: 16 }),
      'rebuild',
      ['topics.presence.diffs.partitions: 8 -> 16'],
    ],
    [
      'the key of the table',
      topic('presence.state', { key: 'device_id' }),
      'rebuild',
      ['topics.presence.state.key: user_id -> device_id'],
    ],
    [
      'how long routes are kept',
      topic('presence.routes', { retention_ms: 7_200_000 }),
      'migration',
      ['topics.presence.routes.retention: 1 h -> 2 h'],
    ],
  ])('%s', (_, edit, verdict, said) => {
    const { changes, ...rest } = planned(edit);
    expect(changes.map(({ at, before, after }) => `${at}: ${before} -> ${after}`)).toEqual(said);
    expect(rest).toMatchObject({ verdict, sameDiffs: true });
    for (const { reason } of changes) expect(reason).toMatch(/\.$/);
    for (const change of changes) expect(change.steps.length > 0 || change.verdict !== 'migration').toBe(true);
  });

  test('what the other topology writes is made anew by replaying its input, not by copying it', () => {
    for (const name of ['presence.state', 'presence.diffs'])
      expect(planned(topic(name, { partitions: 4 })).changes.map(({ steps }) => steps.at(-1))).toEqual([
        'Else replay the input into new topics, and cut over with a new epoch.',
      ]);
  });

  test('a schema that today cannot read is no compatible edit', () => {
    const edited: Edit = (one) => ({
      ...one,
      schemas: one.schemas.map((schema) =>
        schema.name === 'Route'
          ? { ...schema, schema: { type: 'record', name: 'Route', fields: [{ name: 'tenant', type: 'string' }] } }
          : schema,
      ),
    });
    const { changes, verdict } = planned(edited);
    expect(changes.map(({ at }) => at)).toEqual(['schemas.Route']);
    expect(verdict).not.toBe('compatible');
  });
});
