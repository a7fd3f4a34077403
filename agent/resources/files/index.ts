import { defineResource } from '../../resource.ts';
import { ownershipRequires } from '../shared/ownership.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { observe } from './observe.ts';
import type { FileChange, FileSpec, FileState } from './state.ts';

export const files = defineResource<FileSpec, FileState, FileChange>({
  observe,
  diff,
  describe,
  apply,
  autoRequires: (spec) => ownershipRequires(spec.name, spec),
  watch: (spec) => [{ path: spec.name }],
});
