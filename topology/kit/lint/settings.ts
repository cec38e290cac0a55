/** What stages, the source and sinks were told: settings that are missing, misspelt or of the wrong kind. */
import type { SettingFault } from '../../../processors/settings.ts';
import type { TopologySpec } from '../spec.ts';
import { error, place, type Rule } from './rule.ts';

const rule = (id: SettingFault['rule']): Rule =>
  error(id, (spec: TopologySpec, report) => {
    for (const { name, faults = [] } of [spec.source, ...spec.stages, ...spec.sinks])
      for (const fault of faults) if (fault.rule === id) report(place(spec, name), fault.message, fault.fix);
  });

export const settings: readonly Rule[] = [rule('missing-setting'), rule('unknown-setting'), rule('bad-setting')];
