/**
 * `npm run privacy -- --cases 1000000 [--from 1] [--file FILE] [--only SEED]`: many histories (the tests run a few thousand).
 * With `--file` what is done is kept there, and the same words again go on from it. Exit 1 at the first leak, with its seed.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { presence } from '../../topology/presence.ts';
import { history } from './history.ts';
import { leak } from './observer.ts';

const EVERY_MS = 10_000;

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '3000' },
    from: { type: 'string', default: '1' },
    file: { type: 'string' },
    only: { type: 'string' },
  },
});
const from = Number(values.only ?? values.from);
const end = from + (values.only === undefined ? Number(values.cases) : 1);
const { file } = values;

interface Done {
  readonly from: number;
  /** The next seed. */
  next: number;
  drawn: number;
  lifted: number;
  secrets: number;
  records: number;
}

function begun(): Done {
  const fresh: Done = { from, next: from, drawn: 0, lifted: 0, secrets: 0, records: 0 };
  if (file === undefined || !existsSync(file)) return fresh;
  const kept = JSON.parse(readFileSync(file, 'utf8')) as Done;
  return kept.from === from ? kept : fresh;
}

function keep(done: Done): void {
  const { next, drawn, lifted, secrets } = done;
  console.log(`${next - from} of ${end - from} cases: hidden ${drawn} times, back ${lifted} times, ${secrets} secrets. No leak.`);
  if (file === undefined) return;
  writeFileSync(`${file}.new`, JSON.stringify(done));
  renameSync(`${file}.new`, file);
}

const done = begun();
let told = Date.now();
for (; done.next < end; done.next += 1) {
  const one = history(done.next);
  const found = leak(presence, one);
  if (found !== null) {
    console.log(`A leak, seed ${done.next}:\n${found}\nagain: npm run privacy -- --only ${done.next}`);
    process.exit(1);
  }
  done.drawn += one.drawn;
  done.lifted += one.lifted;
  done.secrets += one.secrets;
  done.records += one.moments.length;
  if (Date.now() - told < EVERY_MS) continue;
  told = Date.now();
  keep(done);
}
keep(done);
