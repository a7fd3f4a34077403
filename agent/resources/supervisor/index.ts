import { reveal } from '../../../desired-state/schema/secret.ts';
import { defineResource, type ResourceRef } from '../../resource.ts';
import { CONF_DIRECTORY } from '../shared/supervisor-program.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import type { Spec } from './desired.ts';
import { diff } from './diff.ts';
import { observe } from './observe.ts';

export const supervisor = defineResource({
  observe,
  diff,
  describe,
  apply,
  autoRequires,
  watch: () => [{ path: CONF_DIRECTORY, entries: true }, { path: '/etc/supervisor/supervisord.conf' }],
});

/** The package, the users, and whatever directories the programs start in or write to. */
function autoRequires(spec: Spec): readonly ResourceRef[] {
  const programs = Object.values(spec.programs);
  const users = programs.flatMap((program) => {
    if ('content' in program)
      return [...reveal(program.content).matchAll(/^user\s*=\s*(\S+)/gm)].map((match) => match[1] ?? '');
    return 'command' in program && program.user !== undefined ? [program.user] : [];
  });
  const paths = programs.flatMap((program) =>
    'command' in program ? [program.directory, program.stdout_logfile, program.stderr_logfile] : [],
  );
  const directories = paths.flatMap((path) => (path?.startsWith('/') === true ? ancestors(path) : []));
  return [
    { kind: 'packages', name: 'packages' },
    ...[...new Set(users)].map((name) => ({ kind: 'users', name })),
    ...[...new Set(directories)].map((name) => ({ kind: 'directories', name })),
  ];
}

function ancestors(path: string): readonly string[] {
  const parts = path.split('/').slice(1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}
