/**
 * Who may import whom: the table "File map" of ARCHITECTURE.md, as rules. Tests may import anything.
 * Run by `npm run check`.
 */

/** Our folders, and the folders of ours that each may import (itself aside). `cli` may import everything. */
const mayImport = {
  base: [],
  schemas: ['base', 'ports/schema-registry.ts'],
  ports: ['schemas', 'base'],
  processors: ['schemas', 'base'],
  topology: ['processors', 'schemas', 'base'],
  runtime: ['ports', 'topology', 'processors', 'schemas', 'base'],
  connectors: ['ports', 'schemas', 'base', 'runtime'],
  gateway: ['ports', 'schemas', 'base'],
  replay: ['connectors', 'runtime', 'topology', 'processors', 'ports', 'schemas', 'base'],
  simulation: ['gateway', 'replay', 'runtime', 'topology', 'processors', 'ports', 'schemas', 'base', 'cli/first-cut.ts'],
  client: ['schemas', 'base'],
  web: ['client'],
};

const folders = [...Object.keys(mayImport), 'cli', 'bench', 'scripts', 'test'];
const tests = '\\.(test|contract|scenarios|laws)\\.ts$|(^|/)laws\\.ts$';

const table = Object.entries(mayImport).map(([folder, allowed]) => ({
  name: `${folder}-imports`,
  comment: `${folder}/ may import ${[...allowed, 'itself'].join(', ')} of ours and nothing else (ARCHITECTURE.md, File map).`,
  severity: 'error',
  from: { path: `^${folder}/`, pathNot: tests },
  to: {
    path: `^(${folders.filter((name) => name !== folder && !allowed.includes(name)).join('|')})/`,
    pathNot: allowed.filter((name) => name.includes('/')).map((file) => `^${file}$`),
  },
}));

module.exports = {
  forbidden: [
    ...table,
    {
      name: 'no-cycles',
      comment: 'Modules that import each other cannot be read, tested or loaded apart. (Types may: they are gone at run time.)',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'client-alone',
      comment: 'The client library runs in browsers and on its own: no package, nothing of Node, and of ours only types.',
      severity: 'error',
      from: { path: '^client/', pathNot: [tests, '^client/conformance/'] },
      to: { pathNot: '^client/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'pure-packages',
      comment: 'processors/ and topology/ import rxjs alone of all packages, so that they load in milliseconds and run anywhere.',
      severity: 'error',
      from: { path: '^(processors|topology)/', pathNot: tests },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer'], pathNot: 'node_modules/rxjs/' },
    },
    {
      name: 'pure-node',
      comment: 'processors/ and topology/ use nothing of Node: no clock, no file, no network.',
      severity: 'error',
      from: { path: '^(processors|topology)/', pathNot: tests },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'pure-base',
      comment: 'processors/ and topology/ use only the pure parts of base/.',
      severity: 'error',
      from: { path: '^(processors|topology)/', pathNot: tests },
      to: { path: '^base/(logger|metrics|clock)' },
    },
    {
      name: 'one-place-for-kafkajs',
      comment: 'kafkajs is behind ports/log.ts: only its adapter imports it, so that other clients can be measured against it.',
      severity: 'error',
      from: { pathNot: ['^runtime/[^/]*kafka[^/]*\\.ts$', '^runtime/kafka/', '^test/', '\\.test\\.ts$'] },
      to: { path: 'node_modules/(kafkajs|kafkajs-[^/]+)/' },
    },
    {
      name: 'no-test-code-in-the-product',
      comment: 'What runs in production does not import test/ or development packages.',
      severity: 'error',
      from: { pathNot: [tests, '^(test|bench|scripts)/', '^vitest\\.config\\.ts$'] },
      to: { path: ['^test/'] },
    },
    {
      name: 'declared-packages',
      comment: 'Every package that is imported stands in package.json; those of devDependencies only in tests and tools.',
      severity: 'error',
      from: { pathNot: [tests, '^(test|bench|scripts)/', '^client/conformance/', '^vitest\\.config\\.ts$'] },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown'] },
    },
    {
      name: 'resolves',
      comment: 'What is imported must be there.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(uws-node20|uWebSockets\\.js)$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(data|dist)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
