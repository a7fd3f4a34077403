import { defineResource } from '../../resource.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { observe } from './observe.ts';
import type { PackagesChange, PackagesSpec, PackagesState } from './state.ts';
import { stepsOf } from './steps.ts';

export const packages = defineResource<PackagesSpec, PackagesState, PackagesChange>({
  observe,
  diff: (spec, state) => {
    const steps = stepsOf(state);
    return steps.length === 0 ? [] : [{ spec, steps }];
  },
  describe,
  apply,
  autoRequires: () => [{ kind: 'repositories', name: 'repositories' }],
  watch: () => [{ path: '/var/lib/dpkg/status' }, { path: '/var/lib/apt/extended_states' }],
});
