/**
 * What a stage, a source or a sink may be told, as data beside its type. A topology is run from sources whose types were
 * stripped, not checked: a setting that is missing or misspelt would be `undefined` in a pure stage, and a deadline no number.
 *
 * `Settings<Options>` has the keys of the options and no other, and is optional where they are: it cannot drift from them.
 * What is wrong goes into the spec (`faults`), where lint finds it with all other faults.
 */

export interface SettingFault {
  readonly rule: 'missing-setting' | 'unknown-setting' | 'bad-setting';
  /** What is wrong, and with which setting. */
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

export interface Setting<O extends boolean = boolean> {
  /** After "must be". */
  readonly is: string;
  readonly fits: (value: unknown) => boolean;
  readonly optional: O;
  /** Of settings within it. */
  readonly inside?: Readonly<Record<string, Setting>>;
}

export type Settings<O> = { readonly [K in keyof O]-?: Setting<undefined extends O[K] ? true : false> };

const setting = (is: string, fits: Setting['fits']): Setting<false> => ({ is, fits, optional: false });
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Which numbers will do is lint's to say (bad-number and others). */
export const aNumber = setting('a number', (value) => typeof value === 'number');
export const aTime = setting('a time: ms(…), seconds(…), minutes(…)', aNumber.fits);
export const aName = setting('a name', (value) => typeof value === 'string');
export const names = setting('a list of names', (value) => Array.isArray(value) && value.every(aName.fits));
/** Of a record that must have them all, so that the compiler sees to it. */
export const oneOf = <T extends string>(all: Readonly<Record<T, true>>): Setting<false> =>
  setting(`one of ${Object.keys(all).join(', ')}`, (value) => typeof value === 'string' && Object.hasOwn(all, value));
export const listOf = (all: readonly string[]): Setting<false> =>
  setting(`a list of ${all.join(', ')}`, (value) => Array.isArray(value) && value.every((one) => all.includes(one)));
export const group = <O>(inside: Settings<O>): Setting<false> => ({ ...setting('an object of settings', isObject), inside });
export const orNull = (of: Setting<false>): Setting<false> => ({
  ...of,
  is: `${of.is}, or null`,
  fits: (value) => value === null || of.fits(value),
});
export const optional = (of: Setting<false>): Setting<true> => ({ ...of, optional: true });

/** `faults` for a spec; nothing where all is well, so that a spec without faults has no such key. `kind`: whose settings. */
export function faultsOf(
  kind: string,
  given: unknown,
  settings: Readonly<Record<string, Setting>>,
): { readonly faults?: readonly SettingFault[] } {
  const faults = check(kind, '', given, settings);
  return faults.length === 0 ? {} : { faults };
}

function check(kind: string, path: string, given: unknown, settings: Readonly<Record<string, Setting>>): readonly SettingFault[] {
  const values = isObject(given) ? given : {};
  const fix = `The settings of ${kind}${path === '' ? '' : `'s ${path.slice(0, -1)}`} are ${Object.keys(settings).join(', ')}.`;
  const known = Object.entries(settings).flatMap(([key, of]): readonly SettingFault[] => {
    const value = values[key];
    const name = path + key;
    if (value === undefined)
      return of.optional
        ? []
        : [{ rule: 'missing-setting', message: `${name} is missing, or undefined: it must be ${of.is}`, fix }];
    if (!of.fits(value)) {
      const message = `${name} is ${JSON.stringify(value)}, not ${of.is}`;
      return [{ rule: 'bad-setting', message, fix: 'The compiler says it too: npx tsc -p .' }];
    }
    return of.inside === undefined || value === null ? [] : check(kind, `${name}.`, value, of.inside);
  });
  const unknown = Object.keys(values)
    .filter((key) => !Object.hasOwn(settings, key))
    .map((key): SettingFault => ({ rule: 'unknown-setting', message: `"${path + key}" is no setting of ${kind}`, fix }));
  return [...known, ...unknown];
}
