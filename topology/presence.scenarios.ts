/**
 * What presence.ts computes, rule by rule of contract.md ("Rules of presence"), as tables: what happens, and
 * what comes of it (the language: kit/scenario.ts). Whoever edits presence.ts reads and edits these.
 *
 * Each rule has at least one scenario that fails when the rule is broken: `npm run mutations` breaks them one by
 * one (mutations.ts) and shows which scenario noticed.
 */
import { devices } from './scenarios/devices.ts';
import { hearing } from './scenarios/hearing.ts';
import { memory } from './scenarios/memory.ts';
import { overrides } from './scenarios/overrides.ts';
import type { Scenario } from './scenarios/scenario-group.ts';
import { time } from './scenarios/time.ts';
import { waited } from './scenarios/waited.ts';

export const scenarios: readonly Scenario[] = [...devices, ...hearing, ...overrides, ...time, ...waited, ...memory];
