/**
 * `npm run fuzz -- --runs 100000 [--seed S] [--only NAME] [--path P]`: the parsers under so many cases of each property (the
 * tests run a few thousand). `--only` takes the properties whose names hold that text. Exit 1 if one fails; each failure says
 * how to repeat it, down to the smallest case.
 */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { failureOf, properties } from './properties.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string', default: '' },
    path: { type: 'string' },
  },
});
const seed = Number(values.seed);
const numRuns = Number(values.runs);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(numRuns) || numRuns < 1) {
  console.error('--runs and --seed want whole numbers.');
  process.exit(2);
}
const chosen = properties.filter(({ name }) => name.includes(values.only));
if (chosen.length === 0) {
  console.error(`No property is called ${values.only}. There are:\n${properties.map(({ name }) => `  ${name}`).join('\n')}`);
  process.exit(2);
}
let failed = 0;
for (const { name, property } of chosen) {
  const began = performance.now();
  const path = values.path === undefined ? {} : { path: values.path };
  const failure = failureOf(name, await fc.check(property, { numRuns, seed, ...path }));
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  if (failure === null) console.log(`ok      ${name} (${seconds} s)`);
  else {
    failed += 1;
    console.log(`FAILED  ${failure}`);
  }
}
console.log(
  `${chosen.length} properties, ${numRuns} cases each, seed ${seed}: ${failed === 0 ? 'all hold' : `${failed} failed`}.`,
);
process.exitCode = failed === 0 ? 0 : 1;
