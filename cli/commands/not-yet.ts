import { PresenceError } from '../../base/errors.ts';

/** For what a command will do one day: nothing is done, and the exit code is that of wrong usage. */
export const notYet = (what: string, help?: string): PresenceError =>
  new PresenceError('BAD_SETTING', `${what} is not there yet. Nothing was done.`, {
    at: 'command',
    retriable: false,
    ...(help === undefined ? {} : { help }),
  });
