/**
 * `npm run chaos:rounds -- --rounds 200 --seed 1 --state DIR`: kills, pauses and restarts instances and the broker under load,
 * round after round. Stopped and started again with the same words it goes on where it was. `--only 17` does one round alone.
 * Prints one JSON line at the end, also kept as DIR/result.json; exit code 0 when no round had a fault.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { processingGuarantees } from '../../runtime/at-least-once.ts';
import { runRounds, summarize } from './rounds.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    state: { type: 'string' },
    leg: { type: 'string', default: '10' },
    users: { type: 'string', default: '300' },
    rate: { type: 'string', default: '400' },
    guarantee: { type: 'string', default: 'exactly_once' },
  },
});
const state = values.state ?? mkdtempSync(join(tmpdir(), 'presence-rounds-'));
const guarantee = processingGuarantees.find((name) => name === values.guarantee);
if (guarantee === undefined) throw new Error(`--guarantee is one of ${processingGuarantees.join(', ')}`);
const only = values.only === undefined ? null : Number(values.only);
const say = (line: string): void => console.error(`${new Date().toISOString()} ${line}`);
say(`What is done is kept in ${state}.`);
const legs = await runRounds({
  seed: Number(values.seed),
  from: only ?? 0,
  to: only === null ? Number(values.rounds) : only + 1,
  leg: Number(values.leg),
  users: Number(values.users),
  rate: Number(values.rate),
  guarantee,
  state,
  say,
});
const result = { seed: Number(values.seed), guarantee, ...summarize(legs) };
writeFileSync(join(state, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
console.log(JSON.stringify(result));
process.exit(result.faults === 0 ? 0 : 1);
