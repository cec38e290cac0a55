/** What describe prints, to the letter, and that the committed spec is fresh. */
import { readFileSync } from 'node:fs';
import { expect, describe as suite, test } from 'vitest';
import { systemOf } from '../../cli/system-spec.ts';
import { presence } from '../presence.ts';
import { describe, type SystemSpec } from './index.ts';

/** Small, with all that is awkward: a name that is a keyword, a quotation mark, no clock, nothing to compact. */
const small: SystemSpec = {
  name: 'small',
  version: 3,
  source: { name: 'in', topic: 'a.in', key: 'user_id', clock: null },
  stages: [
    {
      kind: 'filter',
      name: 'end',
      config: { keep: ['x', 'y'], after_ms: 90_000, strict: true, most: 3 },
      stores: [{ name: 'kept', part: 'kept' }],
      timers: [
        { name: 'end.after', after_ms: 90_000, clock: 'lease' },
        { name: 'end.until', after_ms: null, clock: 'stamp' },
      ],
    },
    { kind: 'say "hi"', name: 'say', config: {}, stores: [], timers: [] },
  ],
  sinks: [
    { kind: 'kafka', name: 'out', target: 'a.out', writes: 'outs', reads: [], idempotentBy: 'a transaction' },
    { kind: 'redis', name: 'hot', target: 'keys', writes: null, reads: ['a.out'], idempotentBy: 'offset' },
  ],
  topics: [
    { name: 'a.in', key: 'user_id', partitions: 1, cleanup: 'delete', retention_ms: 60_000, schemas: ['In'] },
    { name: 'a.out', key: null, partitions: 12, cleanup: 'compact', retention_ms: null, schemas: [] },
  ],
  schemas: [{ name: 'In', subject: 'a.in-value', fingerprint: '00ff', schema: { type: 'record', name: 'In', fields: [] } }],
};

test('as text it is read from the input to the sinks', () => {
  expect(describe(small)).toBe(`\
small@3

from a.in by user_id (in)
    clock of another log: any stamps

end: filter
    keep x > y
    after 90 s
    strict true
    most 3
    store kept (part kept of the user's record)
    timer end.after (90 s, lease clock)
    timer end.until (as the record says, stamp clock)

say: say "hi"

to kafka a.out (out; writes outs; idempotent by a transaction)
to redis keys (hot; reads a.out; idempotent by offset)

topics
    a.in   by user_id    1 partition    deleted after 1 min  In
    a.out  its own keys  12 partitions  compacted            no schema of its own

schemas
    In  a.in-value  00ff`);
});

test('as Mermaid it is a flow chart', () => {
  expect(describe(small, 'mermaid')).toBe(`\
flowchart LR
  topic_a_in(["a.in<br/>1 partition, deleted after 1 min"])
  stage_end["end<br/>filter<br/>end.after: 90 s<br/>end.until: by record"]
  store_kept[("kept<br/>kept")]
  stage_say["say<br/>say #quot;hi#quot;"]
  topic_a_out(["a.out<br/>12 partitions, compacted"])
  sink_hot{{"hot<br/>redis<br/>keys"}}
  topic_a_in --> stage_end
  stage_end -.- store_kept
  stage_end --> stage_say
  stage_say --> topic_a_out
  topic_a_out --> sink_hot`);
});

test('as DOT it is a directed graph', () => {
  expect(describe(small, 'dot')).toBe(`\
digraph "small" {
  rankdir=LR;
  topic_a_in [shape=cds, label="a.in\\n1 partition, deleted after 1 min"];
  stage_end [shape=box, label="end\\nfilter\\nend.after: 90 s\\nend.until: by record"];
  store_kept [shape=cylinder, label="kept\\nkept"];
  stage_say [shape=box, label="say\\nsay \\"hi\\""];
  topic_a_out [shape=cds, label="a.out\\n12 partitions, compacted"];
  sink_hot [shape=hexagon, label="hot\\nredis\\nkeys"];
  topic_a_in -> stage_end;
  stage_end -> store_kept [style=dotted, arrowhead=none];
  stage_end -> stage_say;
  stage_say -> topic_a_out;
  topic_a_out -> sink_hot;
}`);
});

test('as JSON it is the spec, one setting a line', () => {
  expect(JSON.parse(describe(small, 'json'))).toEqual(small);
  expect(describe({ ...small, sinks: [], topics: [], schemas: [] } as SystemSpec, 'json')).toBe(`\
{
  "name": "small",
  "version": 3,
  "source": {
    "name": "in",
    "topic": "a.in",
    "key": "user_id",
    "clock": null
  },
  "stages": [
    {
      "kind": "filter",
      "name": "end",
      "config": {
        "keep": ["x", "y"],
        "after_ms": 90000,
        "strict": true,
        "most": 3
      },
      "stores": [{ "name": "kept", "part": "kept" }],
      "timers": [
        { "name": "end.after", "after_ms": 90000, "clock": "lease" },
        { "name": "end.until", "after_ms": null, "clock": "stamp" }
      ]
    },
    {
      "kind": "say \\"hi\\"",
      "name": "say",
      "config": {},
      "stores": [],
      "timers": []
    }
  ],
  "sinks": [],
  "topics": [],
  "schemas": []
}`);
});

/** The part of the DOT language that drawings use: `digraph ID { (ID = ID ; | ID attrs? ; | ID -> ID attrs? ;)* }`. */
function parseDot(text: string): { readonly nodes: Set<string>; readonly edges: (readonly [string, string])[] } {
  const tokens = text.match(/"(?:\\.|[^"\\])*"|->|[A-Za-z_][A-Za-z_0-9]*|[{}[\]=;,]|\S/g) ?? [];
  let at = 0;
  const isId = (token: string | undefined) => token !== undefined && /^("|[A-Za-z_])/.test(token);
  const take = (is: string | ((token: string | undefined) => boolean)): string => {
    const token = tokens[at];
    if (!(typeof is === 'string' ? token === is : is(token))) throw new Error(`token ${at}: ${token} is not ${is}`);
    at += 1;
    return token as string;
  };
  const attributes = (): void => {
    if (tokens[at] !== '[') return;
    take('[');
    for (let first = true; tokens[at] !== ']'; first = false) {
      if (!first) take(',');
      take(isId);
      take('=');
      take(isId);
    }
    take(']');
  };
  const nodes = new Set<string>();
  const edges: (readonly [string, string])[] = [];
  take('digraph');
  take(isId);
  take('{');
  while (tokens[at] !== '}') {
    const id = take(isId);
    if (tokens[at] === '=') {
      take('=');
      take(isId);
    } else if (tokens[at] === '->') {
      take('->');
      edges.push([id, take(isId)]);
      attributes();
    } else {
      nodes.add(id);
      attributes();
    }
    take(';');
  }
  take('}');
  expect(at).toBe(tokens.length);
  return { nodes, edges };
}

suite('drawings', () => {
  test.each([
    ['small', small],
    ['presence', systemOf(presence.spec)],
  ])('the DOT of %s parses, and every edge joins two nodes', (_, spec) => {
    const { nodes, edges } = parseDot(describe(spec, 'dot'));
    expect(edges.flat().filter((id) => !nodes.has(id))).toEqual([]);
    const stores = spec.stages.flatMap((stage) => stage.stores).length;
    expect(nodes.size).toBeGreaterThan(spec.stages.length + stores);
  });

  test('Mermaid and DOT draw the same nodes and edges', () => {
    const { nodes, edges } = parseDot(describe(systemOf(presence.spec), 'dot'));
    const lines = describe(systemOf(presence.spec), 'mermaid').split('\n').slice(1);
    const drawn = lines.map((line) => /^ {2}(\w+) (?:-->|-\.-) (\w+)$/.exec(line)).filter((match) => match !== null);
    expect(drawn.map(([, from, to]) => [from, to])).toEqual(edges);
    expect(lines.length - drawn.length).toBe(nodes.size);
  });
});

suite('presence.spec.json', () => {
  const committed = readFileSync(new URL('../../presence.spec.json', import.meta.url), 'utf8');
  const write = 'npx presence topology describe --json > presence.spec.json';

  test(`is what describe --json prints; if it is not: ${write}`, () => {
    expect(
      committed === `${describe(systemOf(presence.spec), 'json')}\n`,
      `presence.spec.json is stale. Write it anew: ${write}`,
    ).toBe(true);
  });

  test('an edit of one setting changes the lines of that setting alone', () => {
    const spec = systemOf(presence.spec);
    const edited = { ...spec, stages: spec.stages.map((one) => ({ ...one, config: { ...one.config } })) };
    (edited.stages[3] as { config: Record<string, number> }).config['flush_ms'] = 60_000;
    const [before, after] = [describe(spec, 'json').split('\n'), describe(edited, 'json').split('\n')];
    expect(after.filter((line, i) => line !== before[i]).map((line) => line.trim())).toEqual(['"flush_ms": 60000']);
  });
});

test('a topology’s own spec names the topics that it touches', () => {
  expect(presence.spec.topics.map(({ name }) => name)).toEqual(['presence.signals', 'presence.state', 'presence.diffs']);
});
