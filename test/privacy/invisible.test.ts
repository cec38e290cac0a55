/**
 * Invisible is invisible: what others can read or time of a user who hides is what they could of one who really left at the
 * same moments (history.ts), on histories made from seeds. `npm run privacy -- --cases 1000000` runs more of them.
 */
import { expect, test } from 'vitest';
import { presence } from '../../topology/presence.ts';
import { history } from './history.ts';
import { leak } from './observer.ts';

const CASES = Number(process.env['PRIVACY_CASES'] ?? 3_000);
const FROM = Number(process.env['PRIVACY_FROM'] ?? 1);

test('others see of an invisible user what they would see of one who left', { timeout: 3_600_000 }, () => {
  const leaks: string[] = [];
  const done = { drawn: 0, lifted: 0, secrets: 0 };
  for (let seed = FROM; seed < FROM + CASES && leaks.length === 0; seed += 1) {
    const told = history(seed);
    done.drawn += told.drawn;
    done.lifted += told.lifted;
    done.secrets += told.secrets;
    const found = leak(presence, told);
    if (found !== null) leaks.push(`seed ${seed}: ${found}\nagain: npm run privacy -- --only ${seed}`);
  }
  expect(leaks).toEqual([]);
  // A tame generator proves nothing.
  expect(Math.min(done.drawn, done.lifted, done.secrets / 2)).toBeGreaterThan(CASES / 4);
});
