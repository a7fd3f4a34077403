import type { HostReader } from '../../host/host.ts';
import { defineResource } from '../../resource.ts';
import { lookUpOwner, ownershipRequires } from '../shared/ownership.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import type { SymlinkChange, SymlinkSpec, SymlinkState } from './state.ts';

export const symlinks = defineResource<SymlinkSpec, SymlinkState, SymlinkChange>({
  observe,
  diff,
  describe,
  apply,
  autoRequires: (spec) => ownershipRequires(spec.name, spec),
  watch: (spec) => [{ path: spec.name }],
});

async function observe(spec: SymlinkSpec, host: HostReader): Promise<SymlinkState> {
  const there = await host.files.stat(spec.name);
  const ids = await lookUpOwner(host.accounts, spec);
  if (there?.type === 'symlink') return { there, ids, target: await host.files.readLink(spec.name) };
  if (there?.type !== 'directory') return { there, ids };
  return { there, ids, inhabited: ((await host.files.list(spec.name)) ?? []).length > 0 };
}
