/** Works out what a user is now, for themselves and for others (contract.md, "Precedence"). */
import type { Happening } from './happening.ts';
import type { Device, Ghost, User } from './record.ts';

/** The device that speaks for the user: of those that count the one of the highest rank; null if none does. */
export function bestDevice(user: User): Device | null {
  let best: Device | null = null;
  for (const device of user.devices) if (device.counts && (best === null || device.rank > best.rank)) best = device;
  return best;
}

function bestGhost(ghosts: readonly Ghost[]): Ghost | null {
  let best: Ghost | null = null;
  for (const ghost of ghosts) if (best === null || ghost.rank > best.rank) best = ghost;
  return best;
}

export function view(happening: Happening, user: User): void {
  const { override, ghosts } = user;
  const seen = override === null || ghosts !== null ? (ghosts === null ? bestDevice(user) : bestGhost(ghosts)) : null;
  if (override !== null) {
    happening.selfState = override.state;
    happening.selfSource = 'manual';
  } else {
    happening.selfState = seen?.state ?? 'offline';
    happening.selfSource = seen?.source ?? 'inferred';
  }
  if (ghosts !== null) {
    happening.publicState = seen?.state ?? 'offline';
    happening.publicSource = seen?.source ?? 'inferred';
  } else {
    happening.publicState = happening.selfState;
    happening.publicSource = happening.selfSource;
  }
}
