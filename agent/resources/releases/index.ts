import { dirname } from 'node:path';
import { defineResource, type ResourceRef } from '../../resource.ts';
import { CONF_DIRECTORY } from '../shared/supervisor-program.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { layoutOf, type Spec } from './layout.ts';
import { observe } from './observe.ts';

export const releases = defineResource({
  observe,
  diff,
  describe,
  apply,
  autoRequires,
  watch: (spec: Spec) => {
    const layout = layoutOf(spec);
    return [
      { path: layout.directory, entries: true },
      { path: layout.runDirectory, entries: true },
      { path: CONF_DIRECTORY, entries: true },
      { everySeconds: spec.poll / 1000 },
    ];
  },
});

function autoRequires(spec: Spec): readonly ResourceRef[] {
  const layout = layoutOf(spec);
  const parents = [layout.directory, layout.runDirectory, layout.logDirectory].flatMap(ancestors);
  return [
    { kind: 'packages', name: 'packages' },
    { kind: 'users', name: layout.user },
    { kind: 'groups', name: layout.group },
    { kind: 'services', name: 'supervisor' },
    { kind: 'supervisor', name: 'supervisor' },
    { kind: 'postgres', name: 'postgres' },
    { kind: 'pgbouncer', name: 'pgbouncer' },
    ...[...new Set(parents)].map((name) => ({ kind: 'directories', name })),
  ];
}

function ancestors(path: string): readonly string[] {
  const above = dirname(path);
  return above === path ? [] : [...ancestors(above), path];
}
