import { defineResource } from '../../resource.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { observe } from './observe.ts';
import type { UserChange, UserSpec, UserState } from './state.ts';

export const users = defineResource<UserSpec, UserState, UserChange>({
  observe,
  diff,
  describe,
  apply,
  autoRequires: (spec) =>
    [spec.name, spec.group, ...(spec.groups ?? [])]
      .filter((name) => name !== undefined)
      .map((name) => ({ kind: 'groups', name })),
  watch: () => [{ path: '/etc/passwd' }, { path: '/etc/group' }, { path: '/etc/shadow' }],
});
