/**
 * `presence topology`: what a topology's author needs. Reads topology/presence.ts or topology/fan-out.ts, runs nothing, and needs
 * no broker.
 */
import type { Command } from 'commander';
import { addDescribe } from './topology/describe.ts';
import { addLint } from './topology/lint.ts';
import { addPlan } from './topology/plan.ts';
import { addTest } from './topology/test.ts';

export function addTopology(program: Command): void {
  const topology = program
    .command('topology')
    .description('Shows, checks, tests and compares a topology, without running it.')
    .addHelpText(
      'after',
      `
Examples:
  presence topology describe --mermaid > presence.mmd    draw it
  presence topology lint                                 what the compiler cannot see
  presence topology test                                 play its scenarios
  presence topology plan --against http://localhost:8080 what an edit does to what runs
  presence topology describe --topology fan-out          the other one: who is told of what (docs/fan-out.md)

How to change it, step by step: docs/topology-guide.md`,
    );
  for (const add of [addDescribe, addLint, addTest, addPlan]) add(topology);
}
