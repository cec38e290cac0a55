/**
 * The rules of the house that a machine can hold (style.md, after TigerBeetle's tidy). Each test lists all
 * offenders at once, as `file:line what`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { errorCodes } from '../base/errors.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Everything that is, or is about to be, in the repository. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && isThere(file));

function isThere(file: string): boolean {
  try {
    read(file);
    return true;
  } catch {
    return false; // deleted, not yet committed
  }
}

const generated = (file: string): boolean => file === 'schemas/generated.ts' || file.startsWith('schemas/released/');
const sources = files.filter((file) => /\.(ts|mjs|cjs)$/.test(file) && !generated(file));
const isTest = (file: string): boolean => /\.(test|contract|scenarios)\.ts$/.test(file) || file.startsWith('test/');

/** `file:line what` for each line of each file in which `find` sees something. */
function offences(among: readonly string[], find: (line: string, file: string) => string | undefined): string[] {
  return among.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => {
        const what = find(line, file);
        return what === undefined ? [] : [`${file}:${index + 1} ${what}`];
      }),
  );
}

/** The line without its comment and its strings: words in prose are free. */
const code = (line: string): string =>
  /^\s*(\*|\/\*|\/\/)/.test(line) ? '' : line.replace(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"/g, "''").replace(/\/\/.*$/, '');

describe('Time is data', () => {
  const pure = sources.filter((file) => /^(processors|topology)\//.test(file) && !isTest(file) && !file.endsWith('laws.ts'));
  const banned: readonly (readonly [RegExp, string])[] = [
    [/\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bhrtime\b/, 'reads a clock'],
    [/\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bnextTick\b/, 'sets a timer'],
    [/\bPromise\b|\basync\b|\bawait\b/, 'waits'],
    [/\bMath\.random\b|\brandomUUID\b|\brandomBytes\b|\bcrypto\b/, 'draws lots'],
    [
      /\b(mergeMap|bufferTime|debounceTime|throttleTime|auditTime|timeout|delay|interval|timer|observeOn|subscribeOn)\(/,
      'schedules',
    ],
    [/\bprocess\.|\bconsole\./, 'speaks to the process'],
  ];

  test('processors/ and topology/ read no clock, set no timer, wait for nothing and draw no lots', () => {
    expect(offences(pure, (line) => banned.find(([pattern]) => pattern.test(code(line)))?.[1])).toEqual([]);
  });

  test('gateway/ and runtime/ ask base/clock.ts, so that a simulation can be their time and chance', () => {
    // What speaks to a real Kafka lives in real time; embedded/group.ts waits only for a consumer that throws.
    const real = /^runtime\/(kafka\/|log-kafka|embedded\/group\.ts)/;
    const ambient = sources.filter((file) => /^(gateway|runtime)\//.test(file) && !isTest(file) && !real.test(file));
    const raw = [
      /\bDate\.now\b|\bperformance\.now\b|\bAbortSignal\.timeout\b|\bMath\.random\b|\brandom(UUID|Bytes)\(/,
      /\b(set|clear)(Timeout|Interval|Immediate)\(/,
    ];
    const own = (line: string): string => code(line).replace(/clock\.\w+/g, '');
    const timers = /from 'node:timers/;
    expect(offences(ambient, (line) => [...raw.map((one) => one.exec(own(line))), timers.exec(line)].find(Boolean)?.[0])).toEqual(
      [],
    );
  });
});

describe('Size', () => {
  test('a file has at most 400 lines', () => {
    const long = sources
      .map((file) => [file, read(file).trimEnd().split('\n').length] as const)
      .filter(([, lines]) => lines > 400);
    expect(long.map(([file, lines]) => `${file}: ${lines} lines`)).toEqual([]);
  });

  test('a line of code has at most 130 characters, a line of prose 140', () => {
    const prose = files.filter((file) => file.endsWith('.md'));
    const offenders = offences([...sources, ...prose], (line, file) => {
      const length = [...line].length;
      const limit = file.endsWith('.md') ? 140 : 130;
      const unbreakable = file.endsWith('.md') && /^\||https?:\/\//.test(line); // a table's row, a link
      return length <= limit || unbreakable ? undefined : `${length} characters`;
    });
    expect(offenders).toEqual([]);
  });

  // It reads all sources as a compiler does, beside a compiler where `npm run check` runs it.
  test('a function has at most 70 lines', { timeout: 120_000 }, () => {
    expect(sources.filter((file) => !isTest(file)).flatMap(longFunctions)).toEqual([]);
  });
});

/** Lines of its own: a function that holds others (a factory, a suite) is measured without them. */
function longFunctions(file: string): string[] {
  const tree = ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2022, true);
  const lineOf = (position: number): number => tree.getLineAndCharacterOfPosition(position).line + 1;
  const found: string[] = [];
  /** Returns how many lines below `node` belong to functions in it. */
  const visit = (node: ts.Node): number => {
    let inner = 0;
    ts.forEachChild(node, (child) => {
      inner += visit(child);
    });
    if (!(ts.isFunctionLike(node) && 'body' in node && node.body !== undefined)) return inner;
    const first = lineOf(node.getStart());
    const lines = lineOf(node.getEnd()) - first + 1;
    if (lines - inner > 70)
      found.push(`${file}:${first} ${node.name?.getText() ?? 'a function'} has ${lines - inner} lines of its own`);
    return lines === 1 ? 0 : lines;
  };
  visit(tree);
  return found;
}

describe('What must not be in the tree', () => {
  test('only the adapter of the log imports kafkajs', () => {
    const allowed = /^runtime\/[^/]*kafka|^test\/|\.test\.ts$/;
    const importing = /from '(kafkajs|kafkajs-[^']+)'/;
    expect(
      offences(
        sources.filter((file) => !allowed.test(file)),
        (line) => importing.exec(line)?.[1],
      ),
    ).toEqual([]);
  });

  test('no address of a package registry, and no path or name of a machine', () => {
    const registry = /registry\.(npmjs|yarnpkg)\.(org|com)|repo\d?\.maven\.org|proxy\.golang\.org|"resolved":/;
    const machine = [homedir(), root, hostname()].filter((name) => name.length > 5 && name !== 'localhost');
    const offenders = offences(
      files.filter((file) => !/\.(png|ico|svg|woff2?)$/.test(file)),
      (line) => {
        const host = registry.exec(line)?.[0] ?? machine.find((name) => line.includes(name));
        return line.includes('const registry = /') ? undefined : host; // that line would find itself
      },
    );
    expect(offenders).toEqual([]);
  });

  test('no test that runs alone, and none that is left out without a word', () => {
    const tests = sources.filter((file) => file.endsWith('.ts') && isTest(file) && file !== 'test/tidy.test.ts');
    const pattern = /\b(describe|test|it)\.(only|todo)\(|\b(xit|xdescribe|fit)\(/;
    expect(offences(tests, (line) => pattern.exec(code(line))?.[0])).toEqual([]);
  });
});

describe('Errors', () => {
  const page = read('docs/errors.md');

  test('every code has a section in docs/errors.md, and every section is a code', () => {
    const sections = [...page.matchAll(/^## ([A-Z_]+)$/gm)].map((match) => match[1]);
    expect(sections.sort()).toEqual([...errorCodes].sort());
  });
});

describe('Documentation', () => {
  test('a link to a file of ours leads somewhere', () => {
    const broken = files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].flatMap((match) => {
          const target = join(file, '..', match[1]!);
          return files.some((other) => other === target || other.startsWith(`${target.replace(/\/$/, '')}/`))
            ? []
            : [`${file}: ${match[1]}`];
        }),
      );
    expect(broken).toEqual([]);
  });
});
