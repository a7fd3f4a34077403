import { defineResource } from '../../resource.ts';
import { ownershipRequires } from '../shared/ownership.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { observe } from './observe.ts';
import type { DirectoryChange, DirectorySpec, DirectoryState } from './state.ts';

export const directories = defineResource<DirectorySpec, DirectoryState, DirectoryChange>({
  observe,
  diff,
  describe,
  apply,
  autoRequires: (spec) => ownershipRequires(spec.name, spec),
  watch: (spec) => [spec.purge ? { path: spec.name, entries: true } : { path: spec.name }],
});
